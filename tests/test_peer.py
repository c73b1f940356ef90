"""
Tests for L{ocpp_tw.peer}.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import orjson
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.errors import (
    CallFailed,
    CallTimedOut,
    StationNotConnected,
    TooManyCalls,
)
from ocpp_tw.ocpp.messages import BadFrame, Call, Payload, parse
from ocpp_tw.ocpp.versions import Version
from ocpp_tw.peer import MOST_PENDING, MOST_WAITING, REPLIES_KEPT, Peer


class Notes:
    """
    A witness that remembers.
    """

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def answered(self, call: Call, frame: bytes, reply: bytes) -> None:
        self.seen.append(("answered", call.unique_id, reply))

    def asked(self, call: Call, frame: bytes) -> None:
        self.seen.append(("asked", call.action))

    def was_answered(
        self, call: Call, frame: bytes, reply: bytes | None
    ) -> None:
        self.seen.append(("was answered", call.action, reply))

    def stray(self, frame: bytes, why: str) -> None:
        self.seen.append(("stray", frame))


class Talk:
    """
    A peer, and the other end of its wire.

    @ivar sent: what it sent.
    @ivar asked: the Calls it was to answer, each with the answer it awaits.
    """

    def __init__(
        self,
        answer: Callable[[Call], Any] | None = None,
        version: Version = Version.V16,
    ) -> None:
        self.clock = Clock()
        self.sent: list[bytes] = []
        self.asked: list[tuple[Call, Deferred[Payload]]] = []
        self.busy: list[bool] = []
        self.notes = Notes()
        self.peer = Peer(
            self.sent.append,
            answer or self._later,
            self.clock,
            version=version,
            witness=self.notes,
            busy=self.busy.append,
        )

    def _later(self, call: Call) -> Deferred[Payload]:
        answer: Deferred[Payload] = Deferred()
        self.asked.append((call, answer))
        return answer

    def hear(self, *message: Any) -> None:
        self.peer.frame_received(orjson.dumps(message))

    def heard(self) -> list[Any]:
        """
        What the other end has heard since this was asked last.
        """
        heard = [orjson.loads(frame) for frame in self.sent]
        self.sent.clear()
        return heard

    def call(
        self, action: str = "Reset", timeout: float | None = None
    ) -> Deferred[Payload]:
        return Deferred.fromCoroutine(self.peer.call(action, {}, timeout))


class AskedTests(SynchronousTestCase):
    """
    When the other end asks.
    """

    def test_at_once(self) -> None:
        """
        An answer that is known now is sent now.
        """
        talk = Talk(lambda call: {"action": call.action})
        talk.hear(2, "1", "Heartbeat", {})
        self.assertEqual(talk.heard(), [[3, "1", {"action": "Heartbeat"}]])
        self.assertFalse(talk.peer.owes)

    def test_coroutine(self) -> None:
        """
        An answer may be a coroutine.
        """

        async def answer(call: Call) -> Payload:
            return {"a": 1}

        talk = Talk(answer)
        talk.hear(2, "1", "Heartbeat", {})
        self.assertEqual(talk.heard(), [[3, "1", {"a": 1}]])

    def test_in_order(self) -> None:
        """
        Calls are answered one after another, in their order.
        """
        talk = Talk()
        for number in ("1", "2", "3"):
            talk.hear(2, number, "Heartbeat", {})
        self.assertEqual([c.unique_id for c, _ in talk.asked], ["1"])
        self.assertTrue(talk.peer.owes)
        for number in range(3):
            talk.asked[number][1].callback({})
        self.assertEqual(talk.heard(), [[3, n, {}] for n in ("1", "2", "3")])
        self.assertFalse(talk.peer.owes)

    def test_failure(self) -> None:
        """
        What is raised is a CALLERROR: as it was meant, or as an
        InternalError that tells nothing.
        """
        for error, expected in (
            (CallFailed("NoSupport", "no", {"a": 1}), ["no", {"a": 1}]),
            (CallFailed("GenericError", "x" * 999), ["x" * 255, {}]),
            (ValueError("secret"), ["", {}]),
        ):
            code = getattr(error, "code", "InternalError")

            def fail(call: Call, error: Exception = error) -> Payload:
                raise error

            for answer in (fail, None):
                talk = Talk(answer)
                talk.hear(2, "1", "Heartbeat", {})
                if answer is None:
                    talk.asked[0][1].errback(error)
                self.assertEqual(talk.heard(), [[4, "1", code, *expected]])
                self.assertFalse(talk.peer.owes)
        self.flushLoggedErrors(ValueError)

    def test_no_json(self) -> None:
        """
        An answer that is no JSON is our fault.
        """
        talk = Talk(lambda call: {"a": object()})
        talk.hear(2, "1", "Heartbeat", {})
        self.assertEqual(talk.heard()[0][:3], [4, "1", "InternalError"])
        self.flushLoggedErrors(TypeError)

    def test_next_after_a_failure(self) -> None:
        """
        A failure does not keep those that wait from being answered.
        """
        talk = Talk()
        talk.hear(2, "1", "Heartbeat", {})
        talk.hear(2, "2", "Heartbeat", {})
        talk.asked[0][1].errback(CallFailed("GenericError"))
        talk.asked[1][1].callback({})
        self.assertEqual([m[:2] for m in talk.heard()], [[4, "1"], [3, "2"]])

    def test_spelling(self) -> None:
        """
        An errorCode is spelt as the version has it.
        """
        for version, code in (
            (Version.V16, "FormationViolation"),
            (Version.V201, "FormatViolation"),
        ):
            talk = Talk(version=version)
            talk.hear(2, "1", 5, {})
            self.assertEqual(talk.heard()[0][:3], [4, "1", code])

    def test_repeated(self) -> None:
        """
        The same id with the same payload gets the stored reply again, however
        it is written; nothing is asked twice.
        """
        talk = Talk()
        talk.hear(2, "1", "StartTransaction", {"a": 1, "b": 2})
        talk.asked[0][1].callback({"transactionId": 7})
        first = talk.heard()
        talk.hear(2, "1", "StartTransaction", {"a": 1, "b": 2})
        talk.peer.frame_received(
            b'[2, "1", "StartTransaction", {"b": 2, "a": 1}]'
        )
        self.assertEqual(talk.heard(), first * 2)
        self.assertEqual(len(talk.asked), 1)

    def test_repeated_while_answered(self) -> None:
        """
        A Call that is repeated while it is answered gets the same reply.
        """
        talk = Talk()
        talk.hear(2, "1", "StartTransaction", {})
        talk.hear(2, "1", "StartTransaction", {})
        talk.asked[0][1].callback({"transactionId": 7})
        self.assertEqual(talk.heard(), [[3, "1", {"transactionId": 7}]] * 2)
        self.assertEqual(len(talk.asked), 1)

    def test_repeated_error(self) -> None:
        """
        A refusal is repeated, too.
        """
        talk = Talk()
        talk.hear(2, "1", "Authorize", {})
        talk.asked[0][1].errback(CallFailed("GenericError"))
        talk.hear(2, "1", "Authorize", {})
        self.assertEqual(talk.heard(), [[4, "1", "GenericError", "", {}]] * 2)

    def test_repeated_after_trouble(self) -> None:
        """
        What failed for a reason of ours is asked anew when it comes again.
        """
        talk = Talk()
        for trouble in (CallFailed("InternalError"), ValueError("a bug")):
            talk.hear(2, "1", "StartTransaction", {})
            talk.asked[-1][1].errback(trouble)
        talk.hear(2, "1", "StartTransaction", {})
        talk.asked[-1][1].callback({"transactionId": 7})
        self.assertEqual([m[0] for m in talk.heard()], [4, 4, 3])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_same_id_other_payload(self) -> None:
        """
        An id that is used again for another message is another Call.
        """
        talk = Talk(lambda call: dict(call.payload))
        for number in range(3):
            talk.hear(2, "1", "DataTransfer", {"n": number})
        self.assertEqual(talk.heard(), [[3, "1", {"n": n}] for n in range(3)])

    def test_replies_kept(self) -> None:
        """
        Only the last replies are kept; they are no larger than they look.
        """
        talk = Talk(lambda call: {"x": "y"})
        for number in range(50):
            talk.hear(2, str(number), "Heartbeat", {})
        self.assertLessEqual(len(talk.peer._replies), REPLIES_KEPT)

    def test_size_of_replies(self) -> None:
        """
        A reply holds no more memory than it is long, and some.
        """
        talk = Talk(lambda call: {"x": "y"})
        tracemalloc.start()
        try:
            for number in range(1000):
                talk.hear(2, str(number), "Heartbeat", {})
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        self.assertEqual(len(talk.sent), 1000)
        self.assertLess(held / 1000, 1500)

    def test_busy(self) -> None:
        """
        When many wait the transport is told, and told when there is room.
        """
        talk = Talk()
        for number in range(MOST_WAITING):
            talk.hear(2, str(number), "Heartbeat", {})
        self.assertEqual(talk.busy, [])
        talk.hear(2, "x", "Heartbeat", {})
        self.assertEqual(talk.busy, [True])
        # What is on its way comes all the same, and is not refused.
        for number in range(MOST_WAITING):
            talk.hear(2, f"y{number}", "Heartbeat", {})
        for number in range(2 * MOST_WAITING + 1):
            talk.asked[number][1].callback({})
        self.assertEqual(talk.busy, [True, False])
        self.assertEqual(len(talk.heard()), 2 * MOST_WAITING + 1)

    def test_bad_frames(self) -> None:
        """
        What can be refused by its id is refused, and the rest is noted.
        """
        for frame, reply in (
            (b'[2,"1"]', [4, "1", "FormationViolation"]),
            (b'[2,"1","A",[]]', [4, "1", "FormationViolation"]),
            (b'[2,"1","A",{},5]', [4, "1", "FormationViolation"]),
            (b'[2,"1","A",{"a":}]', [4, "1", "FormationViolation"]),
            (b'[9,"1","A",{}]', [4, "1", "FormationViolation"]),
            (b'[2,5,"A",{}]', None),
            (b'[2,"","A",{}]', None),
            (b"{}", None),
            (b"", None),
            (b"\xff", None),
            (b'[3,"1",[]]', None),
        ):
            talk = Talk()
            talk.peer.frame_received(frame)
            if reply is None:
                self.assertEqual(talk.heard(), [], frame)
            else:
                self.assertEqual([m[:3] for m in talk.heard()], [reply])
            self.assertEqual(talk.notes.seen, [("stray", frame)])

    def test_no_id_in_21(self) -> None:
        """
        In 2.1 what has no readable id is refused as "-1".
        """
        talk = Talk(version=Version.V21)
        talk.peer.frame_received(b"{}")
        self.assertEqual(talk.heard()[0][:3], [4, "-1", "RpcFrameworkError"])

    def test_null_payload(self) -> None:
        """
        A payload of null is an empty one.
        """
        talk = Talk(lambda call: dict(call.payload))
        talk.hear(2, "1", "Heartbeat", None)
        self.assertEqual(talk.heard(), [[3, "1", {}]])


class AskingTests(SynchronousTestCase):
    """
    When we ask.
    """

    def test_settled(self) -> None:
        """
        Who waits until we are owed nothing waits for every Call before, and
        for none after.
        """
        talk = Talk()
        self.successResultOf(Deferred.fromCoroutine(talk.peer.settled()))
        calls = [
            Deferred.fromCoroutine(talk.peer.call("Heartbeat", {}))
            for _ in range(2)
        ]
        settled = Deferred.fromCoroutine(talk.peer.settled())
        for number in range(2):
            self.assertNoResult(settled)
            talk.hear(3, orjson.loads(talk.sent[number])[1], {})
        self.successResultOf(settled)
        for call in calls:
            self.successResultOf(call)

    def test_answers(self) -> None:
        """
        The answer is returned, the refusal raised.
        """
        talk = Talk()
        asked = talk.call()
        [[_, unique_id, action, payload]] = talk.heard()
        self.assertEqual((action, payload), ("Reset", {}))
        talk.hear(3, unique_id, {"status": "Accepted"})
        self.assertEqual(self.successResultOf(asked), {"status": "Accepted"})
        asked = talk.call()
        talk.hear(4, talk.heard()[0][1], "NotSupported", "no", {})
        error = self.failureResultOf(asked, CallFailed).value
        self.assertEqual(error.code, "NotSupported")
        self.assertEqual(talk.clock.getDelayedCalls(), [])

    def test_turns(self) -> None:
        """
        The second Call is sent when the first was answered.
        """
        talk = Talk()
        first, second = talk.call("A"), talk.call("B")
        [[_, unique_id, action, _]] = talk.heard()
        self.assertEqual(action, "A")
        talk.hear(3, unique_id, {})
        self.assertEqual(self.successResultOf(first), {})
        [[_, unique_id, action, _]] = talk.heard()
        self.assertEqual(action, "B")
        talk.hear(3, unique_id, {})
        self.assertEqual(self.successResultOf(second), {})

    def test_ids_differ(self) -> None:
        """
        No two Calls have the same id.
        """
        talk = Talk()
        ids = set()
        for _ in range(100):
            asked = talk.call()
            [[_, unique_id, *_]] = talk.heard()
            self.assertLessEqual(len(unique_id), 36)
            ids.add(unique_id)
            talk.hear(3, unique_id, {})
            self.successResultOf(asked)
        self.assertEqual(len(ids), 100)

    def test_deadline(self) -> None:
        """
        A deadline frees the slot; the time in line does not count; the late
        answer is nobody's.
        """
        talk = Talk()
        first, second = talk.call("A", 5), talk.call("B", 5)
        [[_, late, _, _]] = talk.heard()
        talk.clock.advance(5)
        self.failureResultOf(first, CallTimedOut)
        self.assertNoResult(second)
        talk.hear(3, late, {"late": True})
        self.assertNoResult(second)
        talk.clock.advance(4.9)
        [[_, unique_id, action, _]] = talk.heard()
        self.assertEqual(action, "B")
        talk.hear(3, unique_id, {"late": False})
        self.assertEqual(self.successResultOf(second), {"late": False})
        self.assertIn("stray", [seen[0] for seen in talk.notes.seen])

    def test_default_deadline(self) -> None:
        """
        Who names no deadline has that of the peer.
        """
        talk = Talk()
        asked = talk.call()
        talk.clock.advance(29.9)
        self.assertNoResult(asked)
        talk.clock.advance(0.2)
        self.failureResultOf(asked, CallTimedOut)

    def test_repeated_answer(self) -> None:
        """
        The second answer to a Call is nobody's.
        """
        talk = Talk()
        asked = talk.call()
        [[_, unique_id, *_]] = talk.heard()
        talk.hear(3, unique_id, {"n": 1})
        talk.hear(3, unique_id, {"n": 2})
        talk.hear(4, unique_id, "GenericError", "", {})
        self.assertEqual(self.successResultOf(asked), {"n": 1})

    def test_lost(self) -> None:
        """
        A lost connection fails the one that waits for its answer, those that
        wait for their turn, and whoever asks afterwards.
        """
        talk = Talk()
        asked = [talk.call() for _ in range(3)]
        talk.peer.connection_lost("gone")
        for each in (*asked, talk.call()):
            failure = self.failureResultOf(each, StationNotConnected)
            self.assertEqual(str(failure.value), "gone")
        self.assertEqual(talk.clock.getDelayedCalls(), [])
        self.assertEqual(len(talk.sent), 1)

    def test_lost_while_answering(self) -> None:
        """
        Nothing is sent to a connection that is lost, and what waited is not
        begun.
        """
        talk = Talk()
        talk.hear(2, "1", "Heartbeat", {})
        talk.hear(2, "2", "Heartbeat", {})
        talk.peer.connection_lost("gone")
        talk.asked[0][1].callback({})
        self.assertEqual(talk.heard(), [])
        self.assertEqual(len(talk.asked), 1)

    def test_too_many(self) -> None:
        """
        So many wait for their turn and no more.
        """
        talk = Talk()
        asked = [talk.call() for _ in range(MOST_PENDING + 1)]
        self.failureResultOf(talk.call(), TooManyCalls)
        for each in asked:
            self.assertNoResult(each)
        talk.peer.connection_lost("gone")
        for each in asked:
            self.failureResultOf(each, StationNotConnected)

    def test_cancelled(self) -> None:
        """
        Who loses interest frees the slot, or the place in line.
        """
        talk = Talk()
        first, second, third = talk.call("A"), talk.call("B"), talk.call("C")
        second.cancel()
        first.cancel()
        self.failureResultOf(first)
        self.failureResultOf(second)
        self.assertEqual([m[2] for m in talk.heard()], ["A", "C"])
        talk.peer.connection_lost("gone")
        self.failureResultOf(third, StationNotConnected)

    def test_asking_while_answering(self) -> None:
        """
        Whoever answers a Call may ask the other end meanwhile.
        """

        async def answer(call: Call) -> Payload:
            return {"got": await talk.peer.call("GetConfiguration", {})}

        talk = Talk(answer)
        talk.hear(2, "1", "BootNotification", {})
        [[_, unique_id, action, _]] = talk.heard()
        self.assertEqual(action, "GetConfiguration")
        talk.hear(3, unique_id, {"x": 1})
        self.assertEqual(talk.heard(), [[3, "1", {"got": {"x": 1}}]])

    def test_asking_while_they_wait(self) -> None:
        """
        An answer of theirs is heard though Calls of theirs wait in line.
        """
        talk = Talk()
        asked = talk.call()
        [[_, unique_id, *_]] = talk.heard()
        for number in range(5):
            talk.hear(2, str(number), "Heartbeat", {})
        talk.hear(3, unique_id, {})
        self.assertEqual(self.successResultOf(asked), {})


json = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
frames = (
    st.binary(max_size=60)
    | json.map(orjson.dumps)
    | st.lists(
        st.sampled_from([2, 3, 4, 5, "1", "2", "Heartbeat", {}, None, [], ""])
        | json,
        max_size=6,
    ).map(orjson.dumps)
)


class FrameProperties(SynchronousTestCase):
    """
    Whatever comes off the wire.
    """

    @settings(max_examples=300, deadline=None)
    @given(st.lists(frames, max_size=8))
    def test_any_octets(self, several: list[bytes]) -> None:
        """
        No frames are too odd: nothing is raised, what is sent is OCPP-J, and
        a Call afterwards is answered.
        """
        talk = Talk(lambda call: {})
        for frame in several:
            talk.peer.frame_received(frame)
        talk.hear(2, "last", "Heartbeat", {"n": 1})
        for sent in talk.sent:
            parse(sent)
        self.assertEqual(talk.heard()[-1], [3, "last", {}])

    @settings(max_examples=200, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.text(min_size=1, max_size=40).filter(
                    lambda text: text.encode(errors="ignore").decode() == text
                ),
                json,
                st.sampled_from(["answered", "refused", "broken"]),
            ),
            max_size=8,
        )
    )
    def test_one_reply(self, several: list[tuple[str, Any, str]]) -> None:
        """
        Every CALL with a readable id gets exactly one reply, of that id, in
        order, whatever its payload is and whatever comes of it.
        """

        def answer(call: Call) -> Payload:
            match call.payload.get("fate"):
                case "refused":
                    raise CallFailed("GenericError", call.action)
                case "broken":
                    raise ValueError
            return {}

        talk = Talk(answer)
        for unique_id, payload, fate in several:
            if isinstance(payload, dict):
                payload = {**payload, "fate": fate}
            talk.hear(2, unique_id, "DataTransfer", payload)
        self.flushLoggedErrors(ValueError)
        replies = talk.heard()
        self.assertEqual(
            [m[1] for m in replies], [unique_id for unique_id, *_ in several]
        )
        self.assertTrue(all(m[0] in (3, 4) for m in replies))

    @settings(max_examples=300, deadline=None)
    @given(frames)
    def test_parse(self, frame: bytes) -> None:
        """
        A frame is a message, or a L{BadFrame} with an id that may be said.
        """
        try:
            parse(frame)
        except BadFrame as bad:
            if bad.unique_id is not None:
                self.assertTrue(0 < len(bad.unique_id) <= 255)


class Conversation(RuleBasedStateMachine):
    """
    Both slots, interleaved in every way, against a model of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.talk = Talk()
        self.theirs: list[str] = []
        self.answered = 0
        self.asked: list[Deferred[Payload]] = []
        self.expected: list[Any] = []
        self.results: dict[int, Any] = {}
        self.begun: list[str] = []
        self.number = 0
        self.lost = False

    @precondition(lambda self: not self.lost)
    @rule()
    def they_ask(self) -> None:
        self.number += 1
        self.theirs.append(f"t{self.number}")
        self.talk.hear(2, f"t{self.number}", "Heartbeat", {})

    @precondition(lambda self: self.answered < len(self.talk.asked))
    @rule(fails=st.booleans())
    def we_answer(self, fails: bool) -> None:
        _, answer = self.talk.asked[self.answered]
        self.answered += 1
        if fails:
            answer.errback(CallFailed("GenericError"))
        else:
            answer.callback({})

    @precondition(lambda self: len(self.asked) < 60)
    @rule()
    def we_ask(self) -> None:
        index = len(self.asked)
        asked = self.talk.call(f"A{index}", 10)
        self.asked.append(asked)
        asked.addBoth(lambda result: self.results.update({index: result}))

    def outstanding(self) -> list[Any]:
        """
        Our Calls on the wire.
        """
        sent = [orjson.loads(frame) for frame in self.talk.sent]
        return [message for message in sent if message[0] == 2]

    @precondition(lambda self: self.outstanding() and not self.lost)
    @rule()
    def they_answer(self) -> None:
        _, unique_id, action, _ = self.outstanding()[-1]
        before = dict(self.results)
        self.talk.hear(3, unique_id, {"to": action})
        for index in set(self.results) - set(before):
            assert self.results[index] == {"to": f"A{index}"}

    @precondition(lambda self: len(self.outstanding()) > 1 and not self.lost)
    @rule()
    def they_answer_late(self) -> None:
        before = dict(self.results)
        self.talk.hear(3, self.outstanding()[0][1], {"to": "late"})
        assert self.results == before

    @rule(seconds=st.sampled_from([1, 9, 10]))
    def time_passes(self, seconds: int) -> None:
        self.talk.clock.advance(seconds)

    @precondition(lambda self: self.number > 8 and not self.lost)
    @rule()
    def connection_lost(self) -> None:
        self.lost = True
        self.talk.peer.connection_lost("gone")
        assert len(self.results) == len(self.asked)

    @invariant()
    def replies_are_in_order(self) -> None:
        sent = [orjson.loads(frame) for frame in self.talk.sent]
        replies = [m[1] for m in sent if m[0] in (3, 4)]
        assert replies == self.theirs[: len(replies)]
        if not self.lost:
            assert len(replies) == self.answered
            assert len(self.talk.asked) <= self.answered + 1
            assert self.talk.peer.owes == (self.answered < len(self.theirs))

    @invariant()
    def one_call_at_a_time(self) -> None:
        """
        We ask in order; all but the last that we sent have their result, and
        those that were not sent have none.
        """
        sent = [action for _, _, action, _ in self.outstanding()]
        assert sent == [f"A{n}" for n in range(len(sent))]
        assert set(range(len(sent) - 1)) <= set(self.results)
        if not self.lost:
            assert set(self.results) <= set(range(len(sent)))


ConversationTests = Conversation.TestCase
ConversationTests.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None
)
