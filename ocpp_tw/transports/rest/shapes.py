"""
What answers look like, as JSON Schema (2020-12), for the documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...ocpp.translate import OPERATIONS


Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
SOME_TEXT: Schema = {"type": "string", "minLength": 1}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
NUMBER: Schema = {"type": "number"}
NUMBER_OR_NULL: Schema = {"type": ["number", "null"]}
WHOLE: Schema = {"type": "integer"}
FLAG: Schema = {"type": "boolean"}
OBJECT: Schema = {"type": "object"}
TIME: Schema = {"type": "string", "format": "date-time"}
TIME_OR_NULL: Schema = {"type": ["string", "null"], "format": "date-time"}


def shape(**members: Schema) -> dict[str, Any]:
    """
    An object that has these members, and perhaps others.
    """
    return {
        "type": "object",
        "properties": members,
        "required": list(members),
    }


def named(name: str) -> Schema:
    """
    The shape of that name, by reference.
    """
    return {"$ref": f"#/components/schemas/{name}"}


def listed(name: str) -> Schema:
    """
    A page of a list of such things.
    """
    return shape(
        items={"type": "array", "items": named(name), "maxItems": 1000},
        next=TEXT_OR_NULL,
    )


def body(required: Mapping[str, Schema], **more: Schema) -> dict[str, Any]:
    """
    A body that has these members, perhaps those, and no others.
    """
    return {
        "type": "object",
        "properties": {**required, **more},
        "required": list(required),
        "additionalProperties": False,
    }


def array(items: Schema) -> dict[str, Any]:
    """
    A list of such things.
    """
    return {"type": "array", "items": items}


_KEY = {
    "id": TEXT,
    "name": TEXT,
    "role": TEXT,
    "identities": {"type": ["array", "null"], "items": TEXT},
    "created": TIME,
    "createdBy": TEXT_OR_NULL,
    "expires": TIME_OR_NULL,
    "lastUsed": TIME_OR_NULL,
}

#: What may go wrong when a station is asked.
ASKED = (502, 503, 504)

#: A number that a database can count to.
ID: Schema = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}

_SETTINGS: dict[str, Schema] = {
    "registration": {
        "type": "string",
        "enum": ["Accepted", "Pending", "Rejected"],
    },
    "retryInterval": {"type": "integer", "minimum": 1, "maximum": 86400},
    "validation": {"enum": ["lenient", "strict", "off", None]},
    "pingInterval": {
        "type": ["integer", "null"],
        "minimum": 0,
        "maximum": 86400,
    },
    "endpoint": {
        "type": ["string", "null"],
        "pattern": r"^https?://[A-Za-z0-9._:-]+(/[!-~]{0,500})?$",
        "examples": ["http://10.0.0.5:8080/"],
    },
    "timeZone": {**TEXT_OR_NULL, "examples": ["Europe/Berlin"]},
    "note": {"type": "string", "maxLength": 2000},
}

_ID_TAG: dict[str, Schema] = {
    "idTag": TEXT,
    "status": {"type": "string", "enum": ["Accepted", "Blocked"]},
    "expiryDate": TIME_OR_NULL,
    "parentIdTag": TEXT_OR_NULL,
    "maxActiveTransactions": {"type": ["integer", "null"], "minimum": 1},
    "note": TEXT_OR_NULL,
}

_CALL = {
    "action": {
        "type": "string",
        "enum": sorted(OPERATIONS),
        "examples": ["Reset"],
    },
    "payload": {**OBJECT, "examples": [{"type": "Soft"}]},
}

#: A charging profile as 1.6 has it (section 7.8 of the standard).
_PROFILE: Schema = {
    **OBJECT,
    "examples": [
        {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Absolute",
            "chargingSchedule": {
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}],
            },
        }
    ],
}

_EMULATED: dict[str, Schema] = {
    "identity": TEXT,
    "url": TEXT,
    "connectors": {
        "description": "How many, or what stands in a file.",
        "examples": [2],
    },
    "keys": {
        "type": "object",
        "additionalProperties": TEXT,
        "examples": [{"MeterValueSampleInterval": "10"}],
    },
}

#: What may happen at an emulated station.
ACTS = (
    *("plug", "unplug", "presentTag", "suspend", "resume", "fault"),
    *("recover", "reset", "cutPower", "restorePower", "dropConnection"),
    *("wireFault", "send", "scenario"),
)

#: What bodies look like, by the name of what they are about.
BODIES: Mapping[str, Schema] = {
    "Settings": body({}, **_SETTINGS),
    "IdTag": body({}, **_ID_TAG),
    "Call": body({"action": _CALL["action"]}, payload=_CALL["payload"]),
    "Calls": body(
        {
            "action": _CALL["action"],
            "identities": {"oneOf": [array(TEXT), {"const": "all"}]},
        },
        payload=_CALL["payload"],
    ),
    "ChargingProfile": body(
        {
            "identity": SOME_TEXT,
            "connectorId": WHOLE,
            "csChargingProfiles": _PROFILE,
        }
    ),
    "Emulator": body(
        {"name": {**TEXT, "minLength": 1, "maxLength": 48}}, **_EMULATED
    ),
    "Emulated": body({}, **_EMULATED),
    "Act": {
        **shape(action={"type": "string", "enum": list(ACTS)}),
        "description": "What else it takes depends on the action.",
        "examples": [{"action": "plug", "connectorId": 1}],
    },
    "Close": body({}, reason=TEXT),
    "Nothing": body({}),
    "Lists": body({"identity": SOME_TEXT}, dateFrom=TIME, dateTo=TIME),
}

#: The shapes, by their names in the documentation.
SHAPES: Mapping[str, Schema] = {
    "Error": {
        **shape(error=shape(code=WHOLE, message=TEXT)),
        "examples": [
            {
                "error": {
                    "code": 404,
                    "message": 'no station "CP9" was ever seen here',
                }
            }
        ],
    },
    "CallError": {
        **shape(
            error=shape(code=WHOLE, message=TEXT),
            callError=shape(
                errorCode=TEXT, errorDescription=TEXT, errorDetails=OBJECT
            ),
        ),
        "examples": [
            {
                "error": {
                    "code": 502,
                    "message": "the station answered with a CallError: "
                    "NotSupported",
                },
                "callError": {
                    "errorCode": "NotSupported",
                    "errorDescription": "",
                    "errorDetails": {},
                },
            }
        ],
    },
    "Station": shape(
        identity=TEXT,
        version=TEXT_OR_NULL,
        protocol={"enum": ["JSON", "SOAP", None]},
        account=TEXT_OR_NULL,
        address=TEXT_OR_NULL,
        reachedAt=TEXT_OR_NULL,
        heartbeatInterval={"type": ["number", "null"]},
        connected=FLAG,
        connectedAt=TIME_OR_NULL,
        disconnectedAt=TIME_OR_NULL,
        disconnectReason=TEXT_OR_NULL,
        lastSeen=TIME_OR_NULL,
        bootNotification={"type": ["object", "null"]},
        bootedAt=TIME_OR_NULL,
        bootStatus=TEXT_OR_NULL,
        connectors=array(OBJECT),
        meters=array(OBJECT),
        reports=OBJECT,
        violations=WHOLE,
        unansweredCalls=WHOLE,
        **_SETTINGS,
        registered=FLAG,
    ),
    "Message": shape(
        id=WHOLE,
        time=TIME,
        identity=TEXT,
        direction={"enum": ["in", "out"]},
        messageId=TEXT_OR_NULL,
        action=TEXT_OR_NULL,
        call=TEXT,
        reply=TEXT_OR_NULL,
        milliseconds=NUMBER,
        error=TEXT_OR_NULL,
        violations=array(named("Violation")),
    ),
    "Violation": {
        "type": "object",
        "properties": {
            "path": TEXT,
            "rule": TEXT,
            "message": TEXT,
            "advice": TEXT,
            "reference": TEXT,
        },
        "required": ["message"],
    },
    "Fault": shape(
        vendor=TEXT_OR_NULL,
        model=TEXT_OR_NULL,
        firmware=TEXT_OR_NULL,
        version=TEXT_OR_NULL,
        action=TEXT_OR_NULL,
        path=TEXT_OR_NULL,
        rule=TEXT_OR_NULL,
        message=TEXT,
        reference=TEXT,
        count=WHOLE,
        stations=WHOLE,
        first=TIME,
        last=TIME,
        example=shape(identity=TEXT, call=TEXT, message=TEXT),
    ),
    "Attempt": shape(
        id=WHOLE,
        time=TIME,
        address=TEXT,
        path=TEXT,
        offered=TEXT,
        status=WHOLE,
        reason=TEXT,
        remedy=TEXT,
    ),
    "Server": shape(
        version=TEXT,
        uptime=NUMBER,
        backend=TEXT_OR_NULL,
        workers=WHOLE,
        counts=OBJECT,
        configuration=OBJECT,
    ),
    "Transaction": {
        **shape(
            transactionId={"type": ["integer", "string"]},
            identity=TEXT,
            connectorId={"type": ["integer", "null"]},
            idTag=TEXT_OR_NULL,
            startTime=TIME_OR_NULL,
            meterStart=NUMBER_OR_NULL,
            active=FLAG,
            suspect=array(TEXT),
        ),
        "description": "What follows its stop is there once it has ended.",
    },
    "MeterValue": shape(
        time=TIME,
        connectorId={"type": ["integer", "null"]},
        measurand=TEXT_OR_NULL,
        value=TEXT,
        unit=TEXT_OR_NULL,
        phase=TEXT_OR_NULL,
        context=TEXT_OR_NULL,
        location=TEXT_OR_NULL,
        format=TEXT_OR_NULL,
        suspect=TEXT_OR_NULL,
    ),
    "Reservation": shape(
        id=WHOLE,
        reservationId=WHOLE,
        identity=TEXT,
        connectorId={"type": ["integer", "null"]},
        idTag=TEXT_OR_NULL,
        created=TIME,
        expiryDate=TIME_OR_NULL,
        status={"enum": ["Active", "Used", "Cancelled", "Expired", "Faulted"]},
    ),
    "IdTag": {"type": "object", "properties": _ID_TAG},
    "ChargingProfile": shape(
        id=WHOLE,
        identity=TEXT,
        connectorId={"type": ["integer", "null"]},
        installed=TIME_OR_NULL,
        csChargingProfiles=_PROFILE,
    ),
    "Event": shape(
        id=WHOLE,
        identity=TEXT,
        event={**TEXT, "examples": ["connected"]},
        state={"enum": ["waiting", "dead"]},
        created=TIME,
        due=TIME_OR_NULL,
        attempts=WHOLE,
        reason=TEXT_OR_NULL,
        body=OBJECT,
    ),
    "Emulator": shape(
        name=TEXT,
        identity=TEXT,
        url=TEXT,
        registration={
            "enum": ["Accepted", "Pending", "Rejected", None],
        },
        connected=FLAG,
        powered=FLAG,
        queued=WHOLE,
        firmwareVersion=TEXT,
        findings={
            **array(TEXT),
            "description": "What its central system did that the standard "
            "does not allow: the most frequent first, at most 20.",
        },
        connectors=array(
            shape(
                connectorId=WHOLE,
                status={**TEXT, "examples": ["Available"]},
                errorCode={**TEXT, "examples": ["NoError"]},
                plugged=FLAG,
                energy={**NUMBER, "description": "In Wh."},
                power={**NUMBER, "description": "In W."},
                soc={"type": ["number", "null"], "description": "In %."},
                transactionId={"type": ["integer", "null"]},
                idTag=TEXT_OR_NULL,
            )
        ),
    ),
    "Queued": shape(
        id=WHOLE,
        identity=TEXT,
        action=TEXT,
        payload=OBJECT,
        who=TEXT_OR_NULL,
        created=TIME,
        expires=TIME,
        status={
            "enum": [
                *("waiting", "sending", "answered", "failed"),
                *("expired", "cancelled"),
            ]
        },
        sent=TIME_OR_NULL,
        ended=TIME_OR_NULL,
        answer={"type": ["object", "null"]},
        error={"type": ["object", "null"]},
    ),
    "Session": shape(
        name=TEXT_OR_NULL,
        role=TEXT_OR_NULL,
        via=TEXT,
        csrfToken=TEXT_OR_NULL,
        expires=TIME_OR_NULL,
    ),
    "User": shape(name=TEXT, role=TEXT, passwordChanged=TIME),
    "Key": shape(**_KEY),
    "NewKey": shape(**_KEY, key=TEXT),
    "Deed": shape(
        id=WHOLE,
        time=TIME,
        who=TEXT_OR_NULL,
        via=TEXT,
        address=TEXT,
        method=TEXT,
        path=TEXT,
        action=TEXT_OR_NULL,
        status=WHOLE,
    ),
}

#: References to them.
NAMED = {name: named(name) for name in SHAPES}
