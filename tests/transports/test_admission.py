"""
Tests for L{ocpp_tw.transports.admission}.
"""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.transports.admission import AT_ONCE, TICK, Admission


class FakePort:
    """
    A listening port with a long line of clients.
    """

    numberAccepts = 100

    def __init__(self, admission):
        self._admission = admission
        self.is_reading = True
        self.taken = 0

    def stopReading(self):
        self.is_reading = False

    def startReading(self):
        self.is_reading = True

    def turn(self):
        """
        A turn of the reactor, as Twisted's ports have it.
        """
        if self.is_reading:
            most = self.numberAccepts
            for _ in range(most):
                self.taken += 1
                self._admission.came()
            if most == self.numberAccepts:
                self.numberAccepts += 20


class AdmissionTests(SynchronousTestCase):
    """
    Tests for L{Admission}.
    """

    def setUp(self):
        self.clock = Clock()
        self.busy = False
        self.admission = Admission(self.clock, lambda: self.busy)
        self.admission.rate = 1000
        self.port = FakePort(self.admission)
        self.admission.watch([self.port])
        self.addCleanup(self.admission.close)

    def run_for(self, seconds):
        """
        Take what can be taken, a turn each millisecond.
        """
        before = self.port.taken
        for _ in range(round(seconds * 1000)):
            self.port.turn()
            self.clock.advance(0.001)
        return self.port.taken - before

    def test_rate(self):
        """
        Of those in line as many are taken in a second as configured.
        """
        self.run_for(1)
        self.assertLess(abs(self.run_for(5) - 5000), 100)

    def test_no_limit(self):
        """
        A rate of 0 is no limit.
        """
        self.admission.rate = 0
        self.assertGreater(self.run_for(1), 15_000)

    def test_in_a_turn(self):
        """
        Others have their turn after a few, whatever the rate is.
        """
        self.admission.rate = 0
        self.port.turn()
        for _ in range(50):
            before = self.port.taken
            self.port.turn()
            self.assertLessEqual(self.port.taken - before, 2 * AT_ONCE)

    def test_few(self):
        """
        Where few come, nobody waits.
        """
        for _ in range(1000):
            self.admission.came()
            self.clock.advance(0.0015)
        self.assertTrue(self.port.is_reading)
        self.assertEqual(self.admission.held, 0)

    def test_busy(self):
        """
        While the backend has enough to do, nobody new is taken.
        """
        self.busy = True
        self.run_for(0.2)
        self.assertEqual(self.run_for(1), 0)
        self.busy = False
        self.assertGreater(self.run_for(1), 900)

    def test_slow(self):
        """
        One a second is one a second.
        """
        self.admission.rate = 1
        for _ in range(3):
            self.admission.came()
            self.clock.pump([TICK] * 18)
            self.assertFalse(self.port.is_reading)
            self.clock.pump([TICK] * 3)
            self.assertTrue(self.port.is_reading)

    def test_calm(self):
        """
        When nobody comes, nothing is left to do.
        """
        self.admission.came()
        self.clock.advance(2 * TICK)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_close(self):
        """
        Ports that are closed are left alone.
        """
        self.run_for(0.2)
        self.admission.close()
        self.port.is_reading = False
        self.clock.advance(1)
        self.assertFalse(self.port.is_reading)
        self.assertEqual(self.clock.getDelayedCalls(), [])
