"""
What a central system may ask, and what it is answered.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.emulator.chargepoint import Habits
from ocpp_tw.emulator.clock import iso
from ocpp_tw.emulator.config import ConnectorConfig

from .world import NEW_YEAR, World, booted, charging


ACCEPTED = {"status": "Accepted"}
REJECTED = {"status": "Rejected"}
TWO = (ConnectorConfig(1), ConnectorConfig(2))


def profile(
    limit: float = 5000.0, purpose: str = "TxDefaultProfile", **changes: Any
) -> dict[str, Any]:
    """
    Charging profiles of one period.
    """
    return {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Relative",
        "chargingSchedule": {
            "chargingRateUnit": "W",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
        },
        **changes,
    }


class CoreTests(SynchronousTestCase):
    def test_unknown_action(self) -> None:
        """
        An action that there is not is NotImplemented, and one for the other
        direction NotSupported.
        """
        world = booted()
        self.assertEqual(world.call("Dance"), "NotImplemented")
        self.assertEqual(world.call("Heartbeat"), "NotSupported")

    def test_broken_payload(self) -> None:
        """
        What breaks the schema is refused, and is a finding.
        """
        world = booted()
        self.assertEqual(
            world.call("Reset", type="Medium"), "PropertyConstraintViolation"
        )
        self.assertEqual(len(world.station.findings), 1)

    def test_availability(self) -> None:
        """
        A free connector becomes Unavailable, and Available again.
        """
        world = booted()
        for kind in ("Inoperative", "Operative"):
            self.assertEqual(
                world.call("ChangeAvailability", connectorId=1, type=kind),
                ACCEPTED,
            )
        self.assertEqual(world.statuses(), ["Unavailable", "Available"])

    def test_availability_is_scheduled(self) -> None:
        """
        A connector that charges becomes Unavailable after its transaction.
        """
        world = charging()
        self.assertEqual(
            world.call(
                "ChangeAvailability", connectorId=0, type="Inoperative"
            ),
            {"status": "Scheduled"},
        )
        world.station.unplug(1)
        self.assertEqual(world.statuses(), ["Unavailable"])
        self.assertEqual(world.statuses(0), ["Unavailable"])

    def test_availability_of_nothing(self) -> None:
        """
        There is no connector 9.
        """
        self.assertEqual(
            booted().call(
                "ChangeAvailability", connectorId=9, type="Operative"
            ),
            REJECTED,
        )

    def test_change_configuration(self) -> None:
        """
        A key may be changed, or not, or there is none.
        """
        world = booted(keys={"Own": "1"})
        change = "ChangeConfiguration"
        told = [
            world.call(change, key=key, value=value)["status"]
            for key, value in (
                ("HeartbeatInterval", "10"),
                ("HeartbeatInterval", "-1"),
                ("HeartbeatInterval", "1_0"),
                ("HeartbeatInterval", " 10"),
                ("NumberOfConnectors", "3"),
                ("Nonsense", "3"),
                ("CentralSystemURL", "ws://localhost/"),
                ("CentralSystemURL", "http://localhost/"),
                ("CentralSystemURL", "nonsense"),
                ("Own", "2"),
            )
        ]
        self.assertEqual(
            told,
            [
                "Accepted",
                "Rejected",
                "Rejected",
                "Rejected",
                "Rejected",
                "NotSupported",
                "RebootRequired",
                "Rejected",
                "Rejected",
                "Accepted",
            ],
        )
        world.pass_time(10)
        self.assertEqual(world.actions(), ["Heartbeat"])

    def test_new_address(self) -> None:
        """
        Another central system, or another name, is taken with the reboot.
        """
        world = booted()
        for key, value in (
            ("CentralSystemURL", "wss://elsewhere:443/x/"),
            ("StationIdentity", "CP2"),
        ):
            answer = world.call("ChangeConfiguration", key=key, value=value)
            self.assertEqual(answer, {"status": "RebootRequired"})
        station = world.station
        self.assertEqual(station.address, ("CP1", "ws://localhost:9220/ocpp"))
        world.call("Reset", type="Hard")
        world.pass_time(3)
        self.assertEqual(station.address, ("CP2", "wss://elsewhere:443/x"))

    def test_get_configuration(self) -> None:
        """
        Keys are told as they are, unknown ones are named.
        """
        answer = booted().call(
            "GetConfiguration", key=["NumberOfConnectors", "Nonsense"]
        )
        self.assertEqual(
            answer,
            {
                "configurationKey": [
                    {
                        "key": "NumberOfConnectors",
                        "readonly": True,
                        "value": "1",
                    }
                ],
                "unknownKey": ["Nonsense"],
            },
        )

    def test_get_all_configuration(self) -> None:
        """
        Every key is told, but never a secret.
        """
        world = booted(keys={"AuthorizationKey": "0123456789abcdef"})
        entries = world.call("GetConfiguration")["configurationKey"]
        by_name = {entry["key"]: entry for entry in entries}
        self.assertNotIn("value", by_name["AuthorizationKey"])
        self.assertEqual(by_name["HeartbeatInterval"]["value"], "300")

    def test_clear_cache(self) -> None:
        """
        Who was accepted before is forgotten.
        """
        world = charging()
        self.assertEqual(len(world.station.cache), 1)
        self.assertEqual(world.call("ClearCache"), ACCEPTED)
        self.assertEqual(len(world.station.cache), 0)

    def test_data_transfer(self) -> None:
        """
        Data is echoed; a message that is not known is said to be unknown.
        """
        world = booted()
        self.assertEqual(
            world.call("DataTransfer", vendorId="x", data="y"),
            {"status": "Accepted", "data": "y"},
        )
        self.assertEqual(
            world.call("DataTransfer", vendorId="x", messageId="z"),
            {"status": "UnknownMessageId"},
        )

    def test_set_status_by_data_transfer(self) -> None:
        """
        An operator may set any status by hand.
        """
        world = booted(connectors=TWO)
        data = '{"connectorId": -1, "status": "Faulted"}'
        answer = world.call(
            "DataTransfer",
            vendorId="x",
            messageId="SetStatusNotification",
            data=data,
        )
        self.assertEqual(answer, ACCEPTED)
        self.assertEqual(world.statuses(1), ["Faulted"])
        self.assertEqual(world.statuses(2), ["Faulted"])

    def test_set_status_to_nonsense(self) -> None:
        """
        What is no status is rejected.
        """
        world = booted()
        for data in (
            "",
            "{",
            "[]",
            '{"connectorId": 1, "status": "Happy"}',
            '{"connectorId": 1, "status": ["Faulted"]}',
            '{"connectorId": [1], "status": "Faulted"}',
            '{"connectorId": 0, "status": "Charging"}',
            '{"connectorId": 9, "status": "Faulted"}',
        ):
            answer = world.call(
                "DataTransfer",
                vendorId="x",
                messageId="SetStatusNotification",
                data=data,
            )
            self.assertEqual(answer, REJECTED)

    def test_remote_start_of_a_busy_connector(self) -> None:
        """
        One connector has one transaction.
        """
        world = charging(connectors=TWO)
        start = "RemoteStartTransaction"
        self.assertEqual(
            world.call(start, idTag="BOB", connectorId=1), REJECTED
        )
        self.assertEqual(world.call(start, idTag="BOB"), ACCEPTED)
        self.assertEqual(world.call(start, idTag="CAROL"), REJECTED)

    def test_remote_start_waits_for_the_cable(self) -> None:
        """
        Where nobody plugs in by itself, the transaction waits for it.
        """
        world = booted(habits=Habits(plugs=False))
        world.call("RemoteStartTransaction", idTag="BOB")
        self.assertEqual(world.payloads("StartTransaction"), [])
        world.station.plug(1)
        self.assertEqual(len(world.payloads("StartTransaction")), 1)

    def test_remote_stop_of_nothing(self) -> None:
        """
        A transaction that there is not cannot be stopped.
        """
        self.assertEqual(
            charging().call("RemoteStopTransaction", transactionId=99),
            REJECTED,
        )

    def test_hard_reset(self) -> None:
        """
        A hard reset ends the transaction, and boots again.
        """
        world = charging()
        self.assertEqual(world.call("Reset", type="Hard"), ACCEPTED)
        world.pass_time(3)
        self.assertEqual(world.line, ["again"])
        self.assertIn("BootNotification", world.actions())
        [stop] = world.payloads("StopTransaction")
        self.assertEqual(stop["reason"], "HardReset")

    def test_unlock(self) -> None:
        """
        Unlocking ends the transaction.
        """
        world = charging()
        self.assertEqual(
            world.call("UnlockConnector", connectorId=1),
            {"status": "Unlocked"},
        )
        [stop] = world.payloads("StopTransaction")
        self.assertEqual(stop["reason"], "UnlockCommand")

    def test_unlock_fails(self) -> None:
        """
        A lock that is broken does not unlock, and there is no connector 0.
        """
        world = booted()
        world.station.fault(1, "ConnectorLockFailure")
        self.assertEqual(
            world.call("UnlockConnector", connectorId=1),
            {"status": "UnlockFailed"},
        )
        self.assertEqual(
            world.call("UnlockConnector", connectorId=0),
            {"status": "NotSupported"},
        )


class ListTests(SynchronousTestCase):
    def test_local_list(self) -> None:
        """
        A list is sent whole, then what changes of it; older changes are
        refused.
        """
        world = booted()
        entry = {"idTag": "BOB", "idTagInfo": {"status": "Accepted"}}
        told = [
            world.call(
                "SendLocalList",
                listVersion=version,
                updateType=kind,
                localAuthorizationList=entries,
            )["status"]
            for version, kind, entries in (
                (1, "Full", [entry]),
                (2, "Differential", [{"idTag": "BOB"}]),
                (2, "Differential", [entry]),
                (3, "Full", [{"idTag": "BOB"}]),
            )
        ]
        self.assertEqual(
            told, ["Accepted", "Accepted", "VersionMismatch", "Failed"]
        )
        self.assertEqual(world.call("GetLocalListVersion"), {"listVersion": 2})

    def test_local_list_decides_offline(self) -> None:
        """
        Offline, who is on the list may charge.
        """
        world = booted()
        world.call(
            "SendLocalList",
            listVersion=1,
            updateType="Full",
            localAuthorizationList=[
                {"idTag": "BOB", "idTagInfo": {"status": "Accepted"}}
            ],
        )
        world.disconnect()
        world.station.plug(1)
        world.station.spawn(world.station.present_tag("BOB"))
        self.assertIsNotNone(world.station.connectors[1].transaction)

    def test_conflict(self) -> None:
        """
        A list that says something else than the central system is told of.
        """
        world = booted()
        world.call(
            "SendLocalList",
            listVersion=1,
            updateType="Full",
            localAuthorizationList=[
                {"idTag": "BOB", "idTagInfo": {"status": "Accepted"}}
            ],
        )
        world.answers["Authorize"] = {"idTagInfo": {"status": "Blocked"}}
        world.call("RemoteStartTransaction", idTag="BOB")
        [status] = world.payloads("StatusNotification")
        self.assertEqual(
            (status["connectorId"], status["errorCode"]),
            (0, "LocalListConflict"),
        )


class ReservationTests(SynchronousTestCase):
    def reserve(self, world: World, **changes: Any) -> Any:
        payload = {
            "connectorId": 1,
            "expiryDate": iso(world.clock.seconds() + 600),
            "idTag": "BOB",
            "reservationId": 5,
            **changes,
        }
        return world.call("ReserveNow", **payload)["status"]

    def test_is_used(self) -> None:
        """
        A reservation is for its tag, and is used up by its transaction.
        """
        world = booted()
        self.assertEqual(self.reserve(world), "Accepted")
        start = "RemoteStartTransaction"
        self.assertEqual(world.call(start, idTag="EVE"), REJECTED)
        self.assertEqual(world.call(start, idTag="BOB"), ACCEPTED)
        [payload] = world.payloads("StartTransaction")
        self.assertEqual(payload["reservationId"], 5)
        self.assertEqual(
            world.statuses(), ["Reserved", "Preparing", "Charging"]
        )

    def test_parent(self) -> None:
        """
        Another tag of the same group may use it.
        """
        world = booted()
        self.reserve(world, parentIdTag="GROUP")
        world.answers["Authorize"] = {
            "idTagInfo": {"status": "Accepted", "parentIdTag": "GROUP"}
        }
        world.call("RemoteStartTransaction", idTag="ALICE")
        self.assertEqual(len(world.payloads("StartTransaction")), 1)

    def test_expires(self) -> None:
        """
        A reservation ends by itself.
        """
        world = booted()
        self.reserve(world)
        world.pass_time(600)
        self.assertEqual(world.statuses(), ["Reserved", "Available"])

    def test_is_cancelled(self) -> None:
        """
        A reservation is cancelled once.
        """
        world = booted()
        self.reserve(world)
        cancel = "CancelReservation"
        self.assertEqual(world.call(cancel, reservationId=5), ACCEPTED)
        self.assertEqual(world.call(cancel, reservationId=5), REJECTED)
        self.assertEqual(world.statuses(), ["Reserved", "Available"])

    def test_hindrances(self) -> None:
        """
        What cannot be reserved is said to be so.
        """
        world = charging(connectors=TWO)
        world.station.fault(2)
        self.assertEqual(self.reserve(world), "Occupied")
        self.assertEqual(self.reserve(world, connectorId=2), "Faulted")
        self.assertEqual(self.reserve(world, connectorId=0), "Rejected")
        self.assertEqual(self.reserve(world, connectorId=9), "Rejected")
        self.assertEqual(
            self.reserve(world, expiryDate=iso(NEW_YEAR - 1)), "Rejected"
        )

    def test_any_connector(self) -> None:
        """
        The last free connector is kept for who reserved any.
        """
        world = booted(keys={"ReserveConnectorZeroSupported": "true"})
        self.assertEqual(self.reserve(world, connectorId=0), "Accepted")
        world.call("RemoteStartTransaction", idTag="EVE", connectorId=1)
        self.assertEqual(world.payloads("StartTransaction"), [])
        world.call("RemoteStartTransaction", idTag="BOB", connectorId=1)
        self.assertEqual(len(world.payloads("StartTransaction")), 1)

    def test_two_of_any(self) -> None:
        """
        Each reservation of any connector keeps one, for its own tag.
        """
        world = booted(
            connectors=TWO, keys={"ReserveConnectorZeroSupported": "true"}
        )
        for id, tag in ((1, "BOB"), (2, "CAROL")):
            told = self.reserve(
                world, connectorId=0, reservationId=id, idTag=tag
            )
            self.assertEqual(told, "Accepted")
        for connector in (0, 1):
            told = self.reserve(
                world, connectorId=connector, reservationId=3, idTag="DAN"
            )
            self.assertEqual(told, "Occupied")
        world.call("RemoteStartTransaction", idTag="EVE")
        world.call("RemoteStartTransaction", idTag="CAROL")
        world.call("RemoteStartTransaction", idTag="BOB")
        self.assertEqual(
            [
                (start["idTag"], start["reservationId"])
                for start in world.payloads("StartTransaction")
            ],
            [("CAROL", 2), ("BOB", 1)],
        )

    def test_own_connector(self) -> None:
        """
        Who has reserved a connector is sent to it.
        """
        world = booted(connectors=TWO)
        self.reserve(world, connectorId=2)
        world.call("RemoteStartTransaction", idTag="BOB")
        [start] = world.payloads("StartTransaction")
        self.assertEqual(
            (start["connectorId"], start["reservationId"]), (2, 5)
        )
        world = booted(connectors=TWO)
        self.reserve(world, connectorId=2)
        world.station.spawn(world.station.present_tag("BOB"))
        self.assertEqual(world.station.connectors[2].id_tag, "BOB")


class SmartChargingTests(SynchronousTestCase):
    def set(self, world: World, number: int, **changes: Any) -> Any:
        return world.call(
            "SetChargingProfile",
            connectorId=number,
            csChargingProfiles=profile(**changes),
        )["status"]

    def test_meter_obeys(self) -> None:
        """
        What the profile allows is what is taken.
        """
        world = charging()
        self.assertEqual(self.set(world, 1, limit=3000.0), "Accepted")
        meter = world.station.connectors[1].meter
        before = meter.energy
        world.pass_time(600)
        self.assertLess(abs(meter.energy - before - 500), 6)

    def test_no_power_suspends(self) -> None:
        """
        A limit of nothing is SuspendedEVSE, and its end is Charging.
        """
        world = charging()
        self.set(world, 1, limit=0, purpose="TxProfile", transactionId=1)
        self.assertEqual(world.call("ClearChargingProfile", id=1), ACCEPTED)
        self.assertEqual(world.statuses(), ["SuspendedEVSE", "Charging"])

    def test_out_of_place(self) -> None:
        """
        Each purpose has its place.
        """
        world = booted()
        for number, purpose in (
            (0, "TxProfile"),
            (1, "TxProfile"),
            (1, "ChargePointMaxProfile"),
            (9, "TxDefaultProfile"),
        ):
            self.assertEqual(
                self.set(world, number, purpose=purpose), "Rejected"
            )

    def test_remote_start_brings_one(self) -> None:
        """
        The profile of a remote start holds for its transaction only.
        """
        world = booted()
        world.call(
            "RemoteStartTransaction",
            idTag="BOB",
            chargingProfile=profile(3000.0, "TxProfile"),
        )
        self.assertEqual(world.station.connectors[1].meter.power, 3000.0)
        world.station.unplug(1)
        self.assertEqual(world.station.profiles, ())

    def test_composite(self) -> None:
        """
        The schedule is told in the unit that is asked for.
        """
        world = booted()
        self.set(world, 0, limit=6900.0)
        for unit, limit in (("W", 6900.0), ("A", 10.0)):
            answer = world.call(
                "GetCompositeSchedule",
                connectorId=1,
                duration=60,
                chargingRateUnit=unit,
            )
            self.assertEqual(
                answer["chargingSchedule"]["chargingSchedulePeriod"],
                [{"startPeriod": 0, "limit": limit}],
            )

    def test_composite_of_all(self) -> None:
        """
        Connector 0 is the whole charge point.
        """
        world = booted(connectors=TWO)
        answer = world.call("GetCompositeSchedule", connectorId=0, duration=60)
        [period] = answer["chargingSchedule"]["chargingSchedulePeriod"]
        self.assertEqual(period["limit"], 44160.0)

    def test_maximum_is_shared(self) -> None:
        """
        What the charge point may take is what its connectors take together,
        also when one of them begins or ends.
        """
        world = booted(connectors=TWO)
        self.set(
            world,
            0,
            limit=8000.0,
            purpose="ChargePointMaxProfile",
            chargingProfileKind="Absolute",
        )
        powers = []
        for number in (1, 2):
            world.call(
                "RemoteStartTransaction",
                connectorId=number,
                idTag=f"T{number}",
            )
            powers.append(
                [world.station.connectors[n].meter.power for n in (1, 2)]
            )
        world.station.unplug(1)
        powers.append(
            [world.station.connectors[n].meter.power for n in (1, 2)]
        )
        most = min(8000.0, world.station.connectors[2].meter.vehicle.power)
        self.assertEqual(powers[1:], [[4000.0, 4000.0], [0.0, most]])
        self.assertEqual(powers[0][1], 0.0)
        self.assertGreater(powers[0][0], 4000.0)
        answer = world.call("GetCompositeSchedule", connectorId=0, duration=60)
        [period] = answer["chargingSchedule"]["chargingSchedulePeriod"]
        self.assertEqual(period["limit"], 8000.0)

    def test_composite_of_all_defaults(self) -> None:
        """
        What holds for each connector holds for all of them as often.
        """
        world = booted(connectors=TWO)
        self.set(world, 0, limit=3000.0)
        answer = world.call("GetCompositeSchedule", connectorId=0, duration=60)
        [period] = answer["chargingSchedule"]["chargingSchedulePeriod"]
        self.assertEqual(period["limit"], 6000.0)

    def test_clear_nothing(self) -> None:
        """
        There is nothing to clear.
        """
        self.assertEqual(
            booted().call("ClearChargingProfile"), {"status": "Unknown"}
        )


class TriggerTests(SynchronousTestCase):
    def test_triggers(self) -> None:
        """
        Each message that can be asked for comes.
        """
        for name in (
            "BootNotification",
            "Heartbeat",
            "StatusNotification",
            "MeterValues",
            "DiagnosticsStatusNotification",
            "FirmwareStatusNotification",
        ):
            world = booted()
            answer = world.call(
                "TriggerMessage", requestedMessage=name, connectorId=1
            )
            self.assertEqual(answer, ACCEPTED)
            self.assertEqual(world.actions(), [name])

    def test_extended_triggers(self) -> None:
        """
        The security extension has more of them.
        """
        for name, action in (
            ("LogStatusNotification", "LogStatusNotification"),
            ("SignChargePointCertificate", "SignCertificate"),
            (
                "FirmwareStatusNotification",
                "SignedFirmwareStatusNotification",
            ),
        ):
            world = booted()
            answer = world.call(
                "ExtendedTriggerMessage", requestedMessage=name
            )
            self.assertEqual(answer, ACCEPTED)
            self.assertEqual(world.actions(), [action])

    def test_boot_while_pending(self) -> None:
        """
        A trigger brings a boot before the interval is over.
        """
        world = World()
        world.answers["BootNotification"] = {
            "status": "Pending",
            "currentTime": world.stamp(),
            "interval": 600,
        }
        world.connect()
        world.call("TriggerMessage", requestedMessage="BootNotification")
        self.assertEqual(world.actions(), ["BootNotification"] * 2)

    def test_meter_values_while_pending(self) -> None:
        """
        What is asked for is said before the registration is accepted.
        """
        world = World()
        world.answers["BootNotification"] = {
            "status": "Pending",
            "currentTime": world.stamp(),
            "interval": 600,
        }
        world.connect()
        world.call("TriggerMessage", requestedMessage="MeterValues")
        self.assertEqual(world.actions(), ["BootNotification", "MeterValues"])

    def test_meter_values_of_the_whole(self) -> None:
        """
        The charge point itself has no meter: nothing is promised.
        """
        self.assertEqual(
            booted().call(
                "TriggerMessage", requestedMessage="MeterValues", connectorId=0
            ),
            REJECTED,
        )

    def test_no_such_connector(self) -> None:
        """
        There is no connector 9 to tell of.
        """
        answer = booted().call(
            "TriggerMessage",
            requestedMessage="StatusNotification",
            connectorId=9,
        )
        self.assertEqual(answer, REJECTED)


class PendingTests(SynchronousTestCase):
    def test_remote_start_is_rejected(self) -> None:
        """
        While it is not accepted, a charge point starts nothing.
        """
        world = World()
        world.answers["BootNotification"] = {
            "status": "Pending",
            "currentTime": world.stamp(),
            "interval": 600,
        }
        world.connect()
        self.assertEqual(
            world.call("RemoteStartTransaction", idTag="BOB"), REJECTED
        )
