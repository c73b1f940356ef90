"""
The stations, and asking one or many of them.
"""

from __future__ import annotations

import csv
from io import StringIO
from typing import Any

import orjson
from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.web.test.requesthelper import DummyRequest

from ocpp_tw.journal import Attempt
from ocpp_tw.messagelog import Entry
from ocpp_tw.ocpp.schemas import Violation
from ocpp_tw.transports.rest import stations
from ocpp_tw.transports.rest.stream import AT_ONCE, GLANCE, Survey

from .world import Answer, World


class StationListTests(World):
    """
    The list of stations.
    """

    def identities(self, query: str = "") -> list[str]:
        answer = self.ask("GET", f"/stations{query}")
        self.assertEqual(answer.status, 200, answer.body)
        return [item["identity"] for item in answer.json()["items"]]

    def test_empty(self) -> None:
        """
        Without stations there is an empty list, and nothing follows.
        """
        answer = self.ask("GET", "/stations")
        self.assertEqual(answer.json(), {"items": [], "next": None})

    def test_filters(self) -> None:
        """
        A filter leaves those that match it.
        """
        one = self.station("CP1")
        one.known.boot = {
            "chargePointVendor": "ACME",
            "chargePointModel": "Wall",
        }
        one.known.connectors = {1: {"status": "Faulted"}}
        two = self.station("CP2")
        two.known.boot = {"chargingStation": {"vendorName": "Other"}}
        self.gone(two)
        self.journal.fleet.change("CP3", {"note": "in the cellar"})
        for query, expected in (
            ("", ["CP1", "CP2", "CP3"]),
            ("?connected=true", ["CP1"]),
            ("?connected=false", ["CP2", "CP3"]),
            ("?status=Faulted", ["CP1"]),
            ("?vendor=acme", ["CP1"]),
            ("?vendor=Other", ["CP2"]),
            ("?version=1.6", ["CP1", "CP2"]),
            ("?q=CELLAR", ["CP3"]),
            ("?q=wall", ["CP1"]),
            ("?q=cp&connected=false&version=1.6", ["CP2"]),
            ("?vendor=", ["CP1", "CP2", "CP3"]),
        ):
            self.assertEqual(self.identities(query), expected, query)

    def test_pages(self) -> None:
        """
        The cursor leads from page to page until nothing follows.
        """
        for number in range(5):
            self.journal.fleet.change(f"CP {number}", {})
        seen, cursor, pages = [], "", 0
        while cursor is not None:
            page = self.ask(
                "GET", "/stations", params={"limit": "2", "cursor": cursor}
            ).json()
            seen += [item["identity"] for item in page["items"]]
            cursor, pages = page["next"], pages + 1
        self.assertEqual(seen, [f"CP {number}" for number in range(5)])
        self.assertEqual(pages, 3)

    def test_many(self) -> None:
        """
        A list of many stations lets others have their turns, and is the same.
        """
        self.patch(stations, "SLICE", 3)
        names = [f"CP{number}" for number in range(10, 30)]
        for name in reversed(names):
            self.journal.fleet.seen(name)
        asked = self.start("GET", "/stations?limit=5&cursor=CP12&q=cp")
        answer = self.successResultOf(asked).json()
        found = [item["identity"] for item in answer["items"]]
        self.assertEqual(found, names[3:8])
        self.assertEqual(answer["next"], "CP17")

    def test_bad_queries(self) -> None:
        """
        A parameter that makes no sense is refused by its name.
        """
        for query, name in (
            ("limit=0", "limit"),
            ("limit=1001", "limit"),
            ("limit=-1", "limit"),
            ("limit=ten", "limit"),
            ("limit=²", "limit"),
            ("connected=maybe", "connected"),
            ("colour=red", "colour"),
            ("self=1", "self"),
        ):
            answer = self.ask("GET", f"/stations?{query}")
            self.assertEqual(answer.status, 400, query)
            self.assertIn(name, answer.message)


class StationTests(World):
    """
    One station.
    """

    def test_get(self) -> None:
        """
        A station is shown with all that is known of it.
        """
        station = self.station("A/B")
        answer = self.ask("GET", "/stations/A%2FB")
        self.assertEqual(answer.json(), station.known.as_json())
        self.assertTrue(answer.json()["connected"])

    def test_unknown(self) -> None:
        """
        A station that nobody ever saw is not found, whatever one wants.
        """
        for method, path in (
            ("GET", ""),
            ("PATCH", ""),
            ("DELETE", ""),
            ("POST", "/calls"),
            ("GET", "/messages"),
        ):
            answer = self.ask(method, f"/stations/CP9{path}", json={})
            self.assertEqual(answer.status, 404, method)
            self.assertIn("CP9", answer.message)

    def test_put_registers(self) -> None:
        """
        PUT makes a station known before it ever connects, durably.
        """
        answer = self.ask("PUT", "/stations/CP1", json={"note": "new"})
        self.assertEqual(answer.status, 200, answer.body)
        self.assertTrue(answer.json()["registered"])
        self.assertEqual(answer.json()["note"], "new")
        [kept] = self.journal.database.read_now(
            lambda db: db.execute("SELECT known FROM stations").fetchall()
        )
        self.assertEqual(orjson.loads(kept[0])["note"], "new")

    def test_put_replaces_and_patch_changes(self) -> None:
        """
        PUT forgets what it does not say, PATCH does not.
        """
        first = {"note": "a", "registration": "Pending"}
        self.ask("PUT", "/stations/CP1", json=first)
        patched = self.ask("PATCH", "/stations/CP1", json={"note": "b"}).json()
        self.assertEqual(
            (patched["note"], patched["registration"]), ("b", "Pending")
        )
        put = self.ask("PUT", "/stations/CP1", json={"note": "c"}).json()
        self.assertEqual((put["note"], put["registration"]), ("c", "Accepted"))

    def test_bad_settings(self) -> None:
        """
        A member that is unknown or makes no sense changes nothing.
        """
        self.ask("PUT", "/stations/CP1", json={"note": "a"})
        for body, name in (
            ({"note": "b", "colour": "red"}, "colour"),
            ({"registration": "Maybe"}, "registration"),
            ({"registration": []}, "registration"),
            ({"validation": {}}, "validation"),
            ({"pingInterval": "x"}, "pingInterval"),
            ({"retryInterval": True}, "retryInterval"),
            ({"note": None}, "note"),
        ):
            for method in ("PUT", "PATCH"):
                answer = self.ask(method, "/stations/CP1", json=body)
                self.assertEqual(answer.status, 400, body)
                self.assertIn(name, answer.message)
        self.assertEqual(self.ask("GET", "/stations/CP1").json()["note"], "a")

    def test_impossible_identity(self) -> None:
        """
        An identity that no station could connect with is not registered.
        """
        for identity in ("a%0Ab", "%00", "x" * 256, "%E2%80%A8"):
            answer = self.ask("PUT", f"/stations/{identity}", json={})
            self.assertEqual(answer.status, 400, identity)
        self.assertEqual(len(self.journal.fleet), 0)

    def test_delete(self) -> None:
        """
        A station that has gone can be forgotten; one that is here cannot.
        """
        station = self.station("CP1")
        answer = self.ask("DELETE", "/stations/CP1")
        self.assertEqual(answer.status, 409)
        self.gone(station)
        answer = self.ask("DELETE", "/stations/CP1")
        self.assertEqual((answer.status, answer.body), (204, b""))
        self.assertEqual(self.ask("GET", "/stations/CP1").status, 404)

    def test_call(self) -> None:
        """
        A call is asked, and the station's payload is the answer.
        """
        station = self.station("CP1")
        answer = self.ask(
            "POST",
            "/stations/CP1/calls?timeout=5",
            json={"action": "Reset", "payload": {"type": "Hard"}},
        )
        self.assertEqual(answer.json(), {"status": "Accepted"})
        self.assertEqual(station.asked, [("Reset", {"type": "Hard"}, 5.0)])

    def test_bad_call(self) -> None:
        """
        A call that cannot be asked is refused by member and rule.
        """
        station = self.station("CP1")
        for body, said in (
            ({}, "action: this member is required"),
            ({"action": 1}, "action: this is not a text"),
            ({"action": "Reset", "payload": []}, "payload"),
            ({"action": "Reset", "to": "CP1"}, "'to'"),
            ({"action": "Reset"}, "type"),
            ({"action": "Explode"}, "Explode"),
        ):
            answer = self.ask("POST", "/stations/CP1/calls", json=body)
            self.assertEqual(answer.status, 400, body)
            self.assertIn(said, answer.message)
        self.assertEqual(station.asked, [])


class CallManyTests(World):
    """
    Asking many stations.
    """

    def survey(self, identities: Any, **options: Any) -> Deferred[Answer]:
        return self.start(
            "POST",
            "/calls",
            json={"action": "ClearCache", "identities": identities},
            **options,
        )

    def lines(self, answer: Answer) -> list[Any]:
        return [orjson.loads(line) for line in answer.body.splitlines()]

    def test_each_has_its_line(self) -> None:
        """
        Each station has one line, with its answer or what went wrong.
        """
        self.station("CP1")
        self.gone(self.station("CP2"))
        asked = self.survey(["CP1", "CP2", "CP9", "CP1"])
        answer = self.successResultOf(asked)
        self.assertEqual(answer.header("Content-Type"), "application/x-ndjson")
        one, two, nine = self.lines(answer)
        self.assertEqual(
            one,
            {
                "identity": "CP1",
                "status": "ok",
                "answer": {"status": "Accepted"},
            },
        )
        self.assertEqual((two["identity"], two["status"]), ("CP2", "error"))
        self.assertEqual(two["error"]["code"], 503)
        self.assertEqual(nine["error"]["code"], 404)

    def test_all(self) -> None:
        """
        All are all that are known, here or not.
        """
        self.station("CP1")
        self.gone(self.station("CP2"))
        answer = self.successResultOf(self.survey("all"))
        self.assertEqual(
            {line["identity"] for line in self.lines(answer)}, {"CP1", "CP2"}
        )

    def test_none(self) -> None:
        """
        Nobody asked is nobody's answer.
        """
        answer = self.successResultOf(self.survey([]))
        self.assertEqual((answer.status, answer.body), (200, b""))

    def test_answers_as_they_come(self) -> None:
        """
        A slow station keeps no other's answer back.
        """
        slow: Deferred[Any] = Deferred()
        self.station("CP1", slow)
        self.station("CP2")
        got: list[bytes] = []

        async def ask() -> None:
            response = await self.http.post(
                "http://localhost:9220/api/v1/calls",
                json={"action": "ClearCache", "identities": "all"},
            )
            await self.http.collect(response, got.append)

        done = Deferred.fromCoroutine(ask())
        self.pump()
        self.assertNoResult(done)
        [line] = b"".join(got).splitlines()
        self.assertEqual(orjson.loads(line)["identity"], "CP2")
        slow.callback({"status": "Rejected"})
        self.pump()
        self.successResultOf(done)
        [_, line] = b"".join(got).splitlines()
        self.assertEqual(orjson.loads(line)["answer"], {"status": "Rejected"})

    def test_so_many_at_a_time(self) -> None:
        """
        No more than fifty are asked at a time, and all in the end.
        """
        answers: list[Deferred[Any]] = []
        stations = []
        for number in range(AT_ONCE + 7):
            answers.append(Deferred())
            stations.append(self.station(f"CP{number:03}", answers[-1]))
        asked = self.survey("all")
        self.assertEqual(
            sum(len(station.asked) for station in stations), AT_ONCE
        )
        for answer in answers:
            answer.callback({"status": "Accepted"})
            self.pump()
        lines = self.lines(self.successResultOf(asked))
        self.assertEqual(len(lines), AT_ONCE + 7)

    def test_client_goes_away(self) -> None:
        """
        When the client has gone nobody further is asked.
        """
        slow: Deferred[Any] = Deferred()
        self.station("CP000", slow)
        others = []
        for number in range(1, AT_ONCE):
            self.station(f"CP{number:03}", Deferred())
        for number in range(AT_ONCE, AT_ONCE + 3):
            others.append(self.station(f"CP{number:03}"))
        asked = self.survey("all")
        self.assertNoResult(asked)
        asked.cancel()
        self.pump()
        self.failureResultOf(asked)
        slow.callback({"status": "Accepted"})
        self.pump()
        self.assertEqual([station.asked for station in others], [[], [], []])
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_client_that_does_not_read(self) -> None:
        """
        While the client does not read nobody further is asked.
        """
        stations = [self.station(f"CP{n:03}") for n in range(AT_ONCE + 3)]
        survey = Survey(self.router, self.clock, "ClearCache", {}, None)
        request = DummyRequest([b""])
        request.registerProducer = lambda producer, streaming: None
        request.unregisterProducer = lambda: None
        survey.pauseProducing()
        identities = [station.identity for station in stations]
        done = Deferred.fromCoroutine(survey.run(request, identities))
        self.clock.advance(10)
        self.assertEqual(
            [station.identity for station in stations if not station.asked],
            identities[AT_ONCE:],
        )
        survey.resumeProducing()
        self.clock.pump([GLANCE] * 3)
        self.successResultOf(done)
        self.assertEqual(len(request.written), AT_ONCE + 3)

    def test_bad_questions(self) -> None:
        """
        What nobody could be asked is refused before anybody is.
        """
        station = self.station("CP1")
        for body, name in (
            ({"action": "ClearCache"}, "identities"),
            ({"identities": []}, "action"),
            ({"action": "Explode", "identities": "all"}, "Explode"),
            ({"action": "ClearCache", "identities": "some"}, "identities"),
            ({"action": "ClearCache", "identities": [1]}, "identities"),
            ({"action": "ClearCache", "identities": {}}, "identities"),
            (
                {"action": "ClearCache", "identities": [], "payload": 1},
                "payload",
            ),
        ):
            answer = self.ask("POST", "/calls", json=body)
            self.assertEqual(answer.status, 400, body)
            self.assertIn(name, answer.message)
        self.assertEqual(station.asked, [])


class MessageTests(World):
    """
    The log of messages.
    """

    def setUp(self) -> None:
        super().setUp()
        self.station("CP1")
        for number, (identity, action, violations) in enumerate(
            (
                ("CP1", "Heartbeat", None),
                ("CP2", "BootNotification", None),
                ("CP1", "Authorize", [Violation("$.idTag", "type", "bad")]),
            )
        ):
            self.journal.note(
                Entry(
                    time=self.clock.seconds() + number,
                    identity=identity,
                    direction="in",
                    unique_id=str(number),
                    action=action,
                    frame=b'[2,"1","' + action.encode() + b'",{}]',
                    reply=b'[3,"1",{}]',
                    seconds=0.001,
                    violations=violations,
                )
            )
        self.clock.advance(1)

    def actions(self, path: str) -> list[str]:
        answer = self.ask("GET", path)
        self.assertEqual(answer.status, 200, answer.body)
        return [item["action"] for item in answer.json()["items"]]

    def test_filters(self) -> None:
        """
        Messages come newest first, of those that match.
        """
        for path, expected in (
            ("/messages", ["Authorize", "BootNotification", "Heartbeat"]),
            ("/messages?identity=CP1", ["Authorize", "Heartbeat"]),
            ("/stations/CP1/messages", ["Authorize", "Heartbeat"]),
            ("/stations/CP1/messages?action=Heartbeat", ["Heartbeat"]),
            ("/messages?errors=true", ["Authorize"]),
            (
                "/messages?from=2025-10-09T08:53:21Z&to=2025-10-09T08:53:22Z",
                ["BootNotification"],
            ),
        ):
            self.assertEqual(self.actions(path), expected, path)

    def test_pages(self) -> None:
        """
        The cursor leads on to older ones.
        """
        page = self.ask("GET", "/messages?limit=2").json()
        self.assertEqual(len(page["items"]), 2)
        self.assertEqual(
            self.actions(f"/messages?cursor={page['next']}"), ["Heartbeat"]
        )

    def test_bad_filters(self) -> None:
        """
        A filter that makes no sense is refused by its name.
        """
        for path, name in (
            ("/messages?from=yesterday", "from"),
            ("/messages?errors=1", "errors"),
            ("/messages?cursor=x", "cursor"),
            ("/stations/CP1/messages?identity=CP2", "identity"),
        ):
            answer = self.ask("GET", path)
            self.assertEqual(answer.status, 400, path)
            self.assertIn(name, answer.message)

    def test_csv(self) -> None:
        """
        As CSV, each violation is in words, and the next page is a link.
        """
        answer = self.ask(
            "GET", "/messages?limit=1", headers={"Accept": "text/csv"}
        )
        self.assertIn("text/csv", answer.header("Content-Type") or "")
        [row] = csv.DictReader(StringIO(answer.body.decode(), newline=""))
        self.assertEqual(row["action"], "Authorize")
        self.assertIn("$.idTag", row["violations"])
        self.assertEqual(
            answer.header("Link"),
            '</api/v1/messages?limit=1&cursor=3>; rel="next"',
        )

    def test_attempts(self) -> None:
        """
        Refused handshakes are listed with reason and remedy.
        """
        self.journal.refused(
            Attempt(
                time=self.clock.seconds(),
                address="10.0.0.9:1",
                path="/ocpp",
                offered="",
                status=404,
                reason="no identity",
                remedy="name it",
            )
        )
        self.clock.advance(1)
        [item] = self.ask("GET", "/connectionAttempts").json()["items"]
        self.assertEqual(
            (item["reason"], item["remedy"]), ("no identity", "name it")
        )


class ServerTests(World):
    """
    What is known of ourselves.
    """

    def test_server(self) -> None:
        """
        The server tells its version, its age and what it holds.
        """
        self.station("CP1")
        self.gone(self.station("CP2"))
        self.clock.advance(5)
        answer = self.ask("GET", "/server").json()
        self.assertEqual(answer["backend"], "fake")
        self.assertEqual(answer["uptime"], 5)
        self.assertEqual(answer["workers"], 1)
        self.assertEqual(
            answer["counts"],
            {
                "stationsKnown": 2,
                "stationsConnected": 1,
                "journalBacklog": 0,
                "journalDropped": 0,
            },
        )

    def test_configuration(self) -> None:
        """
        The server tells its configuration, without secrets.
        """
        given = {"webhook": {"token": "s3cret"}, "server": {"port": "80"}}
        self.front.prepare(evolve(self.config, sections=given))()
        answer = self.ask("GET", "/server")
        self.assertNotIn(b"s3cret", answer.body)
        told = answer.json()["configuration"]
        self.assertEqual(
            told["server"]["port"], {"value": "80", "given": True}
        )
        self.assertEqual(told["api"]["auth"], {"value": "off", "given": False})

    def test_reload(self) -> None:
        """
        The configuration is read again when an admin wants that; what is
        wrong with it is said.
        """
        answer = self.ask("POST", "/server/reload")
        self.assertEqual((answer.status, self.reloads), (204, 1))
        self.problem = "cs.conf:3: no key named prot"
        answer = self.ask("POST", "/server/reload")
        self.assertEqual(answer.status, 400)
        self.assertIn("cs.conf:3", answer.json()["error"]["message"])

    def test_health(self) -> None:
        """
        We are healthy while we answer, and ready while we can serve.
        """
        for path, ready, status, body in (
            ("healthz", False, 200, {"healthy": True}),
            ("readyz", True, 200, {"ready": True}),
            ("readyz", False, 503, {"ready": False}),
        ):
            self.ready = ready
            answer = self.ask("GET", f"http://localhost:9220/{path}")
            self.assertEqual((answer.status, answer.json()), (status, body))


class CompositeScheduleTests(World):
    """
    What a station may draw.
    """

    def test_asked(self) -> None:
        """
        The station is asked, of itself and a day if nothing else is said.
        """
        station = self.station("CP1", {"status": "Rejected"})
        path = "/stations/CP1/compositeSchedule"
        answer = self.ask("GET", path)
        self.assertEqual(answer.json(), {"status": "Rejected"})
        query = "?connectorId=2&duration=60&chargingRateUnit=A&timeout=5"
        self.ask("GET", f"{path}{query}")
        self.assertEqual(
            station.asked,
            [
                (
                    "GetCompositeSchedule",
                    {"connectorId": 0, "duration": 86400},
                    None,
                ),
                (
                    "GetCompositeSchedule",
                    {
                        "connectorId": 2,
                        "duration": 60,
                        "chargingRateUnit": "A",
                    },
                    5.0,
                ),
            ],
        )

    def test_bad(self) -> None:
        """
        What makes no sense is not asked.
        """
        station = self.station("CP1")
        for query in ("connectorId=x", "duration=-1", "chargingRateUnit=V"):
            path = f"/stations/CP1/compositeSchedule?{query}"
            answer = self.ask("GET", path)
            self.assertEqual(answer.status, 400, query)
        self.assertEqual(station.asked, [])
