"""
Whatever a station sends is answered, and harms no list and no other station.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings, strategies as st
from twisted.internet.defer import Deferred

from ocpp_tw.backends.embedded import make_backend
from ocpp_tw.errors import CallFailed
from ocpp_tw.ocpp.messages import CallResult, parse, serialize

from .examples import FROM_STATION
from .transports.world import World


#: What stands where something else should.
ODD = st.sampled_from(
    [
        *(0, -1, 1.5, 1e308, 2**32, 2**63, 2**64, -(2**63) - 1, True, None),
        *("", "x" * 3000, "\0", "🔌", " 0.0", "nan", "1970-01-01T00:00:09"),
        *("2026-11-25T13:00:00", "0001-01-01T00:00:00", "9999-99-99"),
        *([], {}, [[[[[[]]]]]], {"a": {"b": [1]}}, [1, {"value": "2"}]),
        [{"timestamp": "", "sampledValue": [{"value": 5}]}],
    ]
)


def broken(value: Any) -> st.SearchStrategy[Any]:
    """
    Something like that value, with parts of it missing or odd.
    """
    whole: st.SearchStrategy[Any] = st.just(value)
    if isinstance(value, dict):
        members = {name: broken(inner) for name, inner in value.items()}
        whole = st.fixed_dictionaries({}, optional={**members, "more": ODD})
    elif isinstance(value, list):
        whole = st.tuples(*map(broken, value)).map(list)
    return st.integers(0, 7).flatmap(lambda n: whole if n else ODD)


CALLS = st.sampled_from(sorted(FROM_STATION)).flatmap(
    lambda action: st.tuples(st.just(action), broken(FROM_STATION[action]))
)


class AnyPayloadTests(World):
    """
    Stations with the embedded backend.
    """

    def setUp(self) -> None:
        super().setUp()
        backend = make_backend({"path": ":memory:"}, self.router, self.clock)
        backend.startService()
        self.addCleanup(backend.stopService)
        self.router.use(backend)
        self.stations = [self.station(f"CP{n}") for n in range(3)]
        for number, settled in enumerate(
            ({"timeZone": "Europe/Berlin"}, {"validation": "off"})
        ):
            self.ask("PATCH", f"/stations/CP{number}", json=settled)

    def answer(self, station: Any, action: str, payload: Any) -> Any:
        """
        The answer to a Call, which can be written; None for a refusal.
        """
        frame = json.dumps([2, "1", action, payload]).encode()
        try:
            answer: Any = self.router.answer(station, parse(frame))
            if isinstance(answer, Deferred):
                answer = self.successResultOf(answer)
        except CallFailed as e:
            self.assertNotEqual(e.code, "InternalError")
            return None
        return serialize(CallResult("1", answer))

    @settings(max_examples=50, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.integers(0, 2),
                CALLS.filter(lambda call: isinstance(call[1], dict)),
            ),
            max_size=8,
        )
    )
    def test_answered(self, calls: list[tuple[int, tuple[str, Any]]]) -> None:
        """
        Each Call is answered or refused, for no reason of ours; and what is
        kept of it can be shown and saved.
        """
        for number, (action, payload) in calls:
            self.answer(self.stations[number], action, payload)
        self.journal.save()
        for path in ("/stations", "/ChargePointList", "/transactions"):
            self.assertEqual(self.ask("GET", path).status, 200)
        for item in self.ask("GET", "/transactions?limit=5").json()["items"]:
            path = f"/transactions/{item['transactionId']}"
            for below in ("", "/meterValues"):
                answer = self.ask("GET", path + below)
                self.assertEqual(answer.status, 200, answer.body)
