"""
Commands that wait, by HTTP.
"""

from __future__ import annotations

from ocpp_tw.queued import LONGEST

from .world import World


CALL = {"action": "Reset", "payload": {"type": "Soft"}}


class QueueTests(World):
    """
    C{POST .../calls?queue=}, and what follows.
    """

    def setUp(self) -> None:
        super().setUp()
        self.gone(self.station("CP1"))

    def test_kept(self) -> None:
        """
        A command for a station that is away is kept, and can be looked at
        and cancelled.
        """
        answer = self.ask("POST", "/stations/CP1/calls?queue=60", json=CALL)
        self.assertEqual(answer.status, 202, answer.body)
        kept = answer.json()
        self.assertEqual(
            (kept["status"], kept["action"]), ("waiting", "Reset")
        )
        path = f"/stations/CP1/queue/{kept['id']}"
        self.assertEqual(self.ask("GET", path).json(), kept)
        listed = self.ask("GET", "/stations/CP1/queue").json()
        self.assertEqual(listed, {"items": [kept], "next": None})
        for status in (204, 409):
            self.assertEqual(self.ask("DELETE", path).status, status)

    def test_without(self) -> None:
        """
        Without C{queue} a station that is away is a 503, as ever.
        """
        answer = self.ask("POST", "/stations/CP1/calls", json=CALL)
        self.assertEqual(answer.status, 503)

    def test_bad(self) -> None:
        """
        What could never be sent is refused at once.
        """
        path = "/stations/CP1/calls?queue="
        for seconds in ("-1", "soon", f"{LONGEST + 1}", "nan"):
            answer = self.ask("POST", f"{path}{seconds}", json=CALL)
            self.assertEqual(answer.status, 400, seconds)
            self.assertIn("queue", answer.message)
        for body in (
            {"action": "Reset", "payload": {"type": "Gently"}},
            {"action": "Dance"},
            {},
        ):
            answer = self.ask("POST", f"{path}60", json=body)
            self.assertEqual(answer.status, 400)

    def test_never_seen(self) -> None:
        """
        A station that was registered only may be sent any operation there
        is; one that nobody knows, none.
        """
        self.journal.fleet.change("NEW", {})
        path = "/stations/{}/calls?queue=60"
        answer = self.ask("POST", path.format("NEW"), json=CALL)
        self.assertEqual(answer.status, 202)
        answer = self.ask("POST", path.format("NEW"), json={"action": "Dance"})
        self.assertEqual(answer.status, 400)
        answer = self.ask("POST", path.format("CP9"), json=CALL)
        self.assertEqual(answer.status, 404)

    def test_unknown(self) -> None:
        """
        What is not there is not found.
        """
        for number in ("1", "x", "9" * 30):
            for method in ("GET", "DELETE"):
                answer = self.ask(method, f"/stations/CP1/queue/{number}")
                self.assertEqual(answer.status, 404, number)

    def test_forgotten(self) -> None:
        """
        What waits for a station that is forgotten is cancelled: who comes by
        its name later is not sent it.
        """
        path = "/stations/CP1/calls?queue=60"
        self.assertEqual(self.ask("POST", path, json=CALL).status, 202)
        self.assertEqual(self.ask("DELETE", "/stations/CP1").status, 204)
        self.gone(self.station("CP1"))
        [kept] = self.ask("GET", "/stations/CP1/queue").json()["items"]
        self.assertEqual(kept["status"], "cancelled")
