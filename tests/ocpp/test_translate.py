"""
Tests for one vocabulary of commands across the versions.
"""

from __future__ import annotations

import contextlib
from importlib.resources import files
from pathlib import Path

import orjson
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.ocpp.schemas import REQUESTS, Schema
from ocpp_tw.ocpp.translate import (
    COUNTERPARTS,
    VARIABLES,
    NoCounterpart,
    as_markdown,
    translate,
)
from ocpp_tw.ocpp.versions import Version


PAGE = Path(__file__).parents[2] / "docs" / "commands.md"

NOW = "2026-01-01T00:00:00Z"

PROFILE = {
    "chargingProfileId": 1,
    "transactionId": 7,
    "stackLevel": 0,
    "chargingProfilePurpose": "ChargePointMaxProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": {
        "duration": 60,
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}],
    },
}

#: Each command of 1.6 that has another name, or other members, in 2.x.
COMMANDS = [
    ("Reset", {"type": "Hard"}),
    ("Reset", {"type": "Soft"}),
    (
        "RemoteStartTransaction",
        {"idTag": "A", "connectorId": 1, "chargingProfile": PROFILE},
    ),
    ("RemoteStartTransaction", {"idTag": "A"}),
    ("RemoteStopTransaction", {"transactionId": 7}),
    ("UnlockConnector", {"connectorId": 2}),
    ("ChangeAvailability", {"connectorId": 2, "type": "Inoperative"}),
    ("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "60"}),
    ("ChangeConfiguration", {"key": "Display.Brightness", "value": "6"}),
    ("GetConfiguration", {"key": ["HeartbeatInterval", "Display.Size"]}),
    ("ClearChargingProfile", {"id": 1}),
    (
        "ClearChargingProfile",
        {
            "connectorId": 1,
            "chargingProfilePurpose": "ChargePointMaxProfile",
            "stackLevel": 0,
        },
    ),
    (
        "GetCompositeSchedule",
        {"connectorId": 1, "duration": 60, "chargingRateUnit": "A"},
    ),
    ("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": PROFILE}),
    (
        "GetDiagnostics",
        {"location": "ftp://x", "startTime": NOW, "stopTime": NOW},
    ),
    ("GetDiagnostics", {"location": "ftp://x", "retries": 1}),
    (
        "UpdateFirmware",
        {"location": "ftp://x", "retrieveDate": NOW, "retryInterval": 60},
    ),
    (
        "SendLocalList",
        {
            "listVersion": 1,
            "updateType": "Full",
            "localAuthorizationList": [
                {
                    "idTag": "A",
                    "idTagInfo": {
                        "status": "Accepted",
                        "expiryDate": NOW,
                        "parentIdTag": "B",
                    },
                },
                {"idTag": "C"},
            ],
        },
    ),
    ("SendLocalList", {"listVersion": 1, "updateType": "Full"}),
    (
        "ReserveNow",
        {
            "connectorId": 1,
            "expiryDate": NOW,
            "idTag": "A",
            "parentIdTag": "B",
            "reservationId": 1,
        },
    ),
    ("TriggerMessage", {"requestedMessage": "Heartbeat"}),
    (
        "TriggerMessage",
        {
            "requestedMessage": "DiagnosticsStatusNotification",
            "connectorId": 1,
        },
    ),
    (
        "InstallCertificate",
        {"certificateType": "CentralSystemRootCertificate", "certificate": ""},
    ),
    (
        "GetInstalledCertificateIds",
        {"certificateType": "ManufacturerRootCertificate"},
    ),
]


def schema(version: Version, action: str) -> Schema:
    folder = {Version.V201: "v201", Version.V21: "v21"}[version]
    path = files("ocpp") / folder / "schemas" / f"{action}Request.json"
    return Schema(orjson.loads(path.read_text("utf-8-sig")))


class TranslateTests(SynchronousTestCase):
    """
    L{translate}.
    """

    def test_there_and_back(self):
        """
        What is said in the words of 1.6 keeps the schema of 2.x, and comes
        back as it was.
        """
        for action, payload in COMMANDS:
            sent = REQUESTS[Version.V16, action].violations(payload)
            self.assertEqual(sent, [], action)
            for version in (Version.V201, Version.V21):
                new, said = translate(version, action, payload)
                broken = schema(version, new).violations(said)
                self.assertEqual(broken, [], (version, new, said))
                back = translate(Version.V16, new, said)
                self.assertEqual(back, (action, payload))

    def test_every_counterpart(self):
        """
        Every row of the table is one of commands that there are.
        """
        tried = {action for action, _ in COMMANDS}
        rest = {c.old for c in COUNTERPARTS} - tried
        self.assertEqual(
            rest, {"ExtendedTriggerMessage", "SignedUpdateFirmware"}
        )
        for counterpart in COUNTERPARTS:
            self.assertIn((Version.V16, counterpart.old), REQUESTS)
            schema(Version.V201, counterpart.new)

    def test_whole_station(self):
        """
        Connector 0 of 1.x is no EVSE of 2.x.
        """
        command = {"connectorId": 0, "type": "Operative"}
        _, said = translate(Version.V201, "ChangeAvailability", command)
        self.assertEqual(said, {"operationalStatus": "Operative"})

    def test_signed(self):
        """
        Firmware that is signed is an update of its own in 1.6 only.
        """
        firmware = {
            "location": "https://x",
            "retrieveDateTime": NOW,
            "signingCertificate": "c",
            "signature": "s",
        }
        payload = {"requestId": 1, "firmware": firmware}
        new = translate(Version.V201, "SignedUpdateFirmware", payload)
        self.assertEqual(new, ("UpdateFirmware", payload))
        back = translate(Version.V16, "UpdateFirmware", payload)
        self.assertEqual(back, ("SignedUpdateFirmware", payload))

    def test_numbers(self):
        """
        A number that only 2.x has is a new one each time.
        """
        ids = {
            translate(Version.V201, "RemoteStartTransaction", {"idTag": "A"})[
                1
            ]["remoteStartId"]
            for _ in range(3)
        }
        self.assertEqual(len(ids), 3)
        self.assertTrue(all(0 < number < 2**31 for number in ids))

    def test_no_counterpart(self):
        """
        What cannot be said is named.
        """
        token = {"idToken": "A", "type": "Central"}
        variable = {"component": {"name": "X"}, "variable": {"name": "Y"}}
        for version, action, payload, named in (
            (Version.V16, "Reset", {"type": "OnIdle", "evseId": 1}, "evseId"),
            (Version.V16, "GetBaseReport", {}, "GetBaseReport"),
            (
                Version.V16,
                "RequestStopTransaction",
                {"transactionId": "a-b"},
                "a-b",
            ),
            (
                Version.V16,
                "RequestStartTransaction",
                {
                    "idToken": {**token, "additionalInfo": [{"a": 1}]},
                    "remoteStartId": 1,
                },
                "a",
            ),
            (
                Version.V16,
                "SetVariables",
                {
                    "setVariableData": [
                        {**variable, "attributeValue": "1"},
                        {**variable, "attributeValue": "2"},
                    ]
                },
                "setVariableData[].",
            ),
            (
                Version.V16,
                "GetVariables",
                {"getVariableData": [{**variable, "attributeType": "Target"}]},
                "attribute",
            ),
            (Version.V201, "ChangeConfiguration", {"key": "Odd"}, "Odd"),
        ):
            error = self.assertRaises(
                NoCounterpart, translate, version, action, payload
            )
            self.assertIn(named, str(error))
            self.assertIn(f"OCPP {version}", str(error))

    def test_nonsense(self):
        """
        Payloads of any shape are translated or refused, and left alone.
        """
        shapes = [None, 1, "x", [], {}, [1], {"a": 1}, [[]], [{}], True]
        for counterpart in COUNTERPARTS:
            names = {
                (m.old if to_old else m.new).split(".")[0]
                for m in counterpart.members
                if hasattr(m, "old")
                for to_old in (True, False)
            }
            for name in names:
                for value in shapes:
                    payload = {name: value}
                    for version, action in (
                        (Version.V16, counterpart.new),
                        (Version.V201, counterpart.old),
                    ):
                        with contextlib.suppress(NoCounterpart):
                            translate(version, action, payload)
                        self.assertEqual(payload, {name: value})

    def test_variables(self):
        """
        No two keys of 1.6 are the same variable.
        """
        self.assertEqual(len(set(VARIABLES.values())), len(VARIABLES))


class PageTests(SynchronousTestCase):
    """
    C{docs/commands.md}.
    """

    def test_page(self):
        """
        It says what the table says: C{python -c "from ocpp_tw.ocpp.translate
        import as_markdown; print(as_markdown(), end='')"} writes it.
        """
        self.assertEqual(PAGE.read_text(), as_markdown())
