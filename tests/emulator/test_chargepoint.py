"""
The charge point, with a central system that the test plays.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.emulator.chargepoint import Habits
from ocpp_tw.emulator.config import ConnectorConfig
from ocpp_tw.emulator.connector import TRANSITIONS, Impossible
from ocpp_tw.errors import BadRequest, CallFailed, ErrorCode

from .world import World, booted, charging


class BootTests(SynchronousTestCase):
    def test_boots(self) -> None:
        """
        A charge point boots first, and then says what its connectors are.
        """
        world = World(connectors=[ConnectorConfig(1), ConnectorConfig(7)])
        world.connect()
        self.assertEqual(
            [
                (action, payload.get("connectorId"))
                for action, payload in world.asked
            ],
            [
                ("BootNotification", None),
                ("StatusNotification", 0),
                ("StatusNotification", 1),
                ("StatusNotification", 7),
            ],
        )

    def test_waits_for_the_interval(self) -> None:
        """
        What is not accepted boots again after the interval it was told, and
        says nothing else until then.
        """
        world = World()
        world.answers["BootNotification"] = {
            "status": "Pending",
            "currentTime": world.stamp(),
            "interval": 17,
        }
        world.connect()
        world.pass_time(16)
        self.assertEqual(world.actions(), ["BootNotification"])
        world.pass_time(1)
        self.assertEqual(world.actions(), ["BootNotification"] * 2)

    def test_boot_refused_with_an_error(self) -> None:
        """
        A CallError is no reason to give up booting.
        """
        world = World()
        world.answers["BootNotification"] = CallFailed(
            ErrorCode.INTERNAL_ERROR
        )
        world.connect()
        world.pass_time(60)
        self.assertEqual(world.actions(), ["BootNotification"] * 2)

    def test_boots_after_each_reconnect(self) -> None:
        """
        A new connection begins with a boot.
        """
        world = booted()
        world.disconnect()
        world.connect()
        self.assertEqual(world.actions()[0], "BootNotification")

    def test_boot_on_demand(self) -> None:
        """
        A boot that was asked for counts: what was Pending is Accepted, and
        what is Accepted says nothing else again.
        """
        world = World()
        accepted = world.answers["BootNotification"]
        world.answers["BootNotification"] = {
            "status": "Pending",
            "currentTime": world.stamp(),
            "interval": 600,
        }
        world.connect()
        world.answers["BootNotification"] = accepted
        for statuses in (2, 0):
            world.forget()
            world.call("TriggerMessage", requestedMessage="BootNotification")
            self.assertTrue(world.station.is_online)
            self.assertEqual(
                len(world.payloads("StatusNotification")), statuses
            )

    def test_clock_is_set_by_the_answer(self) -> None:
        """
        A clock that is wrong stays so while no heartbeat is answered.
        """
        world = booted()
        world.station.skew = 7200.0
        world.answers["Heartbeat"] = CallFailed(ErrorCode.INTERNAL_ERROR)
        world.pass_time(300)
        self.assertEqual(world.station.skew, 7200.0)
        world.answers["Heartbeat"] = {"currentTime": world.stamp()}
        world.pass_time(300)
        self.assertEqual(world.station.skew, 0.0)

    def test_heartbeat_interval(self) -> None:
        """
        The interval of the boot's answer is that of the heartbeat.
        """
        world = booted()
        world.pass_time(299)
        self.assertEqual(world.actions(), [])
        world.pass_time(301)
        self.assertEqual(world.actions(), ["Heartbeat", "Heartbeat"])

    def test_pings(self) -> None:
        """
        The line is looked at with pings, by WebSocketPingInterval.
        """
        world = booted(keys={"WebSocketPingInterval": "10"})
        world.pass_time(35)
        self.assertEqual(world.line, ["ping"] * 3)


class TransactionTests(SynchronousTestCase):
    def test_remote_start(self) -> None:
        """
        A remote start is authorized, plugged in, started and metered.
        """
        world = booted()
        answer = world.call(
            "RemoteStartTransaction", connectorId=1, idTag="ALICE"
        )
        self.assertEqual(answer, {"status": "Accepted"})
        self.assertEqual(
            world.actions(),
            [
                "Authorize",
                "StatusNotification",
                "StatusNotification",
                "StartTransaction",
            ],
        )
        self.assertEqual(world.statuses(), ["Preparing", "Charging"])
        world.pass_time(60)
        [values] = world.payloads("MeterValues")
        self.assertEqual(values["transactionId"], 1)

    def test_energy_adds_up(self) -> None:
        """
        What the meter shows at the end is what it showed, and the energy.
        """
        world = charging()
        connector = world.station.connectors[1]
        world.pass_time(3600)
        world.call("RemoteStopTransaction", transactionId=1)
        [stop] = world.payloads("StopTransaction")
        self.assertEqual(stop["reason"], "Remote")
        self.assertEqual(stop["meterStop"], connector.meter.register)
        self.assertGreater(stop["meterStop"], 1000)

    def test_finishes(self) -> None:
        """
        After the end the vehicle leaves, and the connector is free again.
        """
        world = charging()
        world.call("RemoteStopTransaction", transactionId=1)
        world.pass_time(60)
        self.assertEqual(world.statuses(), ["Finishing", "Available"])

    def test_leaves_while_a_tag_is_asked_about(self) -> None:
        """
        Who goes out of service begins no transaction any more, and leaves
        when it is owed no answer.
        """
        world, verdict = booted(), Deferred[Any]()
        world.answers["Authorize"] = lambda _: verdict
        world.station.plug(1)
        tag = Deferred.fromCoroutine(world.station.present_tag("ALICE", 1))
        left = Deferred.fromCoroutine(world.station.leave())
        self.assertNoResult(left)
        verdict.callback({"idTagInfo": {"status": "Accepted"}})
        self.successResultOf(left)
        self.failureResultOf(tag, Impossible)
        self.assertNotIn("StartTransaction", world.actions())

    def test_refused_tag(self) -> None:
        """
        A tag that is not accepted starts nothing, and breaks nothing.
        """
        world = booted()
        world.answers["Authorize"] = {"idTagInfo": {"status": "Blocked"}}
        world.call("RemoteStartTransaction", connectorId=1, idTag="MALLORY")
        self.assertEqual(world.actions(), ["Authorize"])
        self.assertEqual(world.station.connectors[1].status, "Available")

    def test_what_is_no_tag(self) -> None:
        """
        A tag that no message could carry is refused at the reader.
        """
        world = booted()
        world.station.plug(1)
        for tag in ("", "x" * 21):
            tried = Deferred.fromCoroutine(world.station.present_tag(tag))
            self.failureResultOf(tried, BadRequest)
        self.assertEqual(world.payloads("Authorize"), [])

    def test_starts_again(self) -> None:
        """
        A vehicle that is plugged in still may charge again.
        """
        world = booted(habits=Habits(plugs=False))
        world.station.plug(1)
        for _ in range(3):
            world.station.spawn(world.station.present_tag("ALICE"))
        self.assertEqual(
            world.statuses()[-3:], ["Finishing", "Preparing", "Charging"]
        )

    def test_deauthorized(self) -> None:
        """
        A transaction whose tag is refused at its start ends by that.
        """
        world = booted(keys={"AuthorizeRemoteTxRequests": "false"})
        world.answers["StartTransaction"] = {
            "transactionId": 9,
            "idTagInfo": {"status": "Blocked"},
        }
        world.call("RemoteStartTransaction", connectorId=1, idTag="MALLORY")
        [stop] = world.payloads("StopTransaction")
        self.assertEqual(
            (stop["transactionId"], stop["reason"]), (9, "DeAuthorized")
        )

    def test_suspended_where_the_tag_is_invalid(self) -> None:
        """
        With StopTransactionOnInvalidId off, energy is withheld instead.
        """
        world = booted(keys={"StopTransactionOnInvalidId": "false"})
        world.answers["StartTransaction"] = {
            "transactionId": 9,
            "idTagInfo": {"status": "Blocked"},
        }
        world.call("RemoteStartTransaction", connectorId=1, idTag="MALLORY")
        self.assertEqual(world.statuses()[-1], "SuspendedEVSE")
        world.pass_time(600)
        self.assertEqual(world.station.connectors[1].meter.register, 0)

    def test_by_hand(self) -> None:
        """
        A vehicle is plugged in, a tag held to the reader, and again.
        """
        world = booted(habits=Habits(plugs=False))
        world.station.plug(1)
        world.station.spawn(world.station.present_tag("BOB"))
        world.station.spawn(world.station.present_tag("BOB"))
        world.station.unplug(1)
        self.assertEqual(
            world.statuses(),
            ["Preparing", "Charging", "Finishing", "Available"],
        )
        [stop] = world.payloads("StopTransaction")
        self.assertEqual((stop["reason"], stop["idTag"]), ("Local", "BOB"))

    def test_connection_timeout(self) -> None:
        """
        A tag that no vehicle follows is forgotten.
        """
        world = booted(habits=Habits(plugs=False))
        world.station.spawn(world.station.present_tag("BOB"))
        world.pass_time(60)
        self.assertEqual(world.statuses(), ["Preparing", "Available"])
        world.station.plug(1)
        self.assertEqual(world.payloads("StartTransaction"), [])

    def test_unplugged_while_charging(self) -> None:
        """
        A vehicle that leaves ends its transaction.
        """
        world = charging()
        world.station.unplug(1)
        [stop] = world.payloads("StopTransaction")
        self.assertEqual(stop["reason"], "EVDisconnected")
        self.assertEqual(world.statuses(), ["Available"])

    def test_full_vehicle(self) -> None:
        """
        A vehicle that is full takes no more: SuspendedEV.
        """
        world = charging()
        world.pass_time(20 * 3600, step=60)
        self.assertEqual(world.statuses(), ["SuspendedEV"])

    def test_transaction_data(self) -> None:
        """
        StopTransaction brings the samples that were asked for.
        """
        world = charging(
            keys={
                "StopTxnSampledData": "Energy.Active.Import.Register,SoC",
                "MeterValueSampleInterval": "60",
            }
        )
        world.pass_time(120)
        world.call("RemoteStopTransaction", transactionId=1)
        [stop] = world.payloads("StopTransaction")
        contexts = [
            value["sampledValue"][0]["context"]
            for value in stop["transactionData"]
        ]
        self.assertEqual(
            contexts,
            [
                "Transaction.Begin",
                "Sample.Periodic",
                "Sample.Periodic",
                "Transaction.End",
            ],
        )

    def test_clock_aligned(self) -> None:
        """
        Clock-aligned values come at whole multiples of their interval.
        """
        world = booted(keys={"ClockAlignedDataInterval": "900"})
        world.pass_time(1800)
        self.assertEqual(self.times(world), ["00:15:00", "00:30:00"])

    def test_clock_aligned_from_midnight(self) -> None:
        """
        Intervals that do not fill a day begin again at midnight.
        """
        world = booted(keys={"ClockAlignedDataInterval": "50000"})
        world.pass_time(86400 + 50000, step=100)
        self.assertEqual(
            self.times(world), ["13:53:20", "00:00:00", "13:53:20"]
        )

    def times(self, world: World) -> list[str]:
        return [
            values["meterValue"][0]["timestamp"][11:19]
            for values in world.payloads("MeterValues")
        ]


class OfflineTests(SynchronousTestCase):
    def test_transaction_goes_on(self) -> None:
        """
        What happens in a transaction while offline is told afterwards, in
        order and with the times when it happened.
        """
        world = charging()
        world.disconnect()
        world.pass_time(120)
        world.station.unplug(1)
        world.pass_time(600)
        world.connect()
        told = [
            (action, payload["transactionId"])
            for action, payload in world.asked
            if action in ("MeterValues", "StopTransaction")
        ]
        self.assertEqual(
            told,
            [("MeterValues", 1), ("MeterValues", 1), ("StopTransaction", 1)],
        )
        [stop] = world.payloads("StopTransaction")
        self.assertEqual(stop["timestamp"][11:19], "00:02:00")

    def test_whole_transaction_offline(self) -> None:
        """
        A transaction that began offline gets its id afterwards.
        """
        world = booted(keys={"AllowOfflineTxForUnknownId": "true"})
        world.disconnect()
        world.station.plug(1)
        world.station.spawn(world.station.present_tag("BOB"))
        world.pass_time(60)
        world.station.unplug(1)
        world.connect()
        self.assertEqual(
            world.actions()[-3:],
            ["StartTransaction", "MeterValues", "StopTransaction"],
        )
        [stop] = world.payloads("StopTransaction")
        self.assertEqual(stop["transactionId"], 1)

    def test_unknown_tag_offline(self) -> None:
        """
        Offline, an unknown tag starts nothing unless that is allowed.
        """
        world = booted()
        world.disconnect()
        world.station.plug(1)
        world.station.spawn(world.station.present_tag("BOB"))
        self.assertIsNone(world.station.connectors[1].transaction)

    def test_known_tag_offline(self) -> None:
        """
        Offline, the cache remembers who was accepted.
        """
        world = charging()
        world.station.unplug(1)
        world.disconnect()
        world.station.plug(1)
        world.station.spawn(world.station.present_tag("alice"))
        self.assertIsNotNone(world.station.connectors[1].transaction)

    def test_refused_message_is_sent_again(self) -> None:
        """
        A message that is refused is sent again after growing pauses, and
        given up after TransactionMessageAttempts.
        """
        world = charging(
            keys={
                "TransactionMessageAttempts": "3",
                "TransactionMessageRetryInterval": "10",
            }
        )
        world.answers["StopTransaction"] = CallFailed(ErrorCode.INTERNAL_ERROR)
        world.station.unplug(1)
        sent = []
        for _ in range(60):
            sent.append(len(world.payloads("StopTransaction")))
            world.pass_time(1)
        self.assertEqual(
            (sent[0], sent[9], sent[10], sent[29], sent[30], sent[-1]),
            (1, 1, 2, 2, 3, 3),
        )
        self.assertEqual(len(world.station.outbox), 0)
        self.assertEqual(world.station.outbox.given_up, 1)
        self.assertEqual(
            [action for action, _ in world.station.findings.counts],
            ["StopTransaction"],
        )


class PowerTests(SynchronousTestCase):
    def test_power_cut(self) -> None:
        """
        Power that fails ends the transaction when it returns.
        """
        world = charging()
        world.station.cut_power()
        world.pass_time(600)
        self.assertEqual(world.asked, [])
        world.station.restore_power()
        world.pass_time(5)
        [stop] = world.payloads("StopTransaction")
        self.assertEqual(stop["reason"], "PowerLoss")
        self.assertEqual(world.actions()[0], "BootNotification")

    def test_nothing_happens_without_power(self) -> None:
        """
        Without power there is a cable and no more: no reader, no line, no
        boot; a vehicle that has gone is noticed afterwards.
        """
        world = charging()
        station = world.station
        station.cut_power()
        tried = Deferred.fromCoroutine(station.present_tag("ALICE"))
        self.failureResultOf(tried, Impossible)
        station.unplug(1)
        station.reboot()
        world.pass_time(600)
        self.assertEqual((world.asked, world.line), ([], ["cut"]))
        station.restore_power()
        world.pass_time(5)
        [stop] = world.payloads("StopTransaction")
        self.assertEqual(stop["reason"], "PowerLoss")
        self.assertEqual(world.statuses(), ["Available"])

    def test_soft_reset(self) -> None:
        """
        A soft reset ends transactions, says so, and boots.
        """
        world = charging()
        world.call("Reset", type="Soft")
        world.pass_time(10)
        [stop] = world.payloads("StopTransaction")
        self.assertEqual(stop["reason"], "SoftReset")
        actions = world.actions()
        self.assertLess(
            actions.index("StopTransaction"), actions.index("BootNotification")
        )

    def test_fault_and_recovery(self) -> None:
        """
        A fault interrupts a transaction, and its end resumes it.
        """
        world = charging()
        world.station.fault(1, "GroundFailure")
        world.pass_time(120)
        world.station.recover(1)
        self.assertEqual(world.statuses(), ["Faulted", "Charging"])
        [fault, _] = world.payloads("StatusNotification")
        self.assertEqual(fault["errorCode"], "GroundFailure")

    def test_recovers_without_its_transaction(self) -> None:
        """
        What broke in a transaction that has ended meanwhile is not Charging
        again, not even for a moment.
        """
        world = charging()
        world.station.fault(1, "GroundFailure")
        world.station.unplug(1)
        world.station.recover(1)
        self.assertEqual(world.statuses(), ["Faulted", "Available"])

    def test_forced_status_holds(self) -> None:
        """
        A status by hand holds in a transaction, whatever the table says, and
        the transaction goes on until it is stopped.
        """
        for status in TRANSITIONS:
            world = charging()
            connector = world.station.connectors[1]
            world.station.force_status(connector, status)
            before = connector.meter.energy
            world.pass_time(180)
            self.assertEqual(connector.status, status)
            charges = connector.meter.energy > before
            self.assertEqual(charges, status == "Charging")
            self.assertEqual(len(world.payloads("MeterValues")), 3)
            world.call("RemoteStopTransaction", transactionId=1)
            self.assertEqual(len(world.payloads("StopTransaction")), 1)
