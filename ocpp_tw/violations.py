"""
What stations do against the standard, in words: for each message, and by
vendor, model and firmware, to be sent to the manufacturer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import define, field

from .fleet import Fleet, Known, iso
from .messagelog import Breaches, Broken, Rule
from .ocpp.explain import Explained, explain


def explained(
    fleet: Fleet, items: Iterable[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """
    Messages as the log has them; each violation of theirs with C{advice} and
    C{reference} beside it.
    """
    return [
        {**item, "violations": [*_in_words(fleet, item)]}
        if item["violations"]
        else item
        for item in items
    ]


def _in_words(
    fleet: Fleet, item: Mapping[str, Any]
) -> Iterable[Mapping[str, Any]]:
    version = _version(fleet.get(item["identity"]))
    for violation in item["violations"]:
        said = explain(
            version,
            item["action"] or "",
            violation.get("path", ""),
            violation.get("rule", ""),
            violation["message"],
        )
        yield {
            **violation,
            "advice": said.advice,
            "reference": said.reference,
        }


def _version(known: Known | None) -> str:
    return str(known.version) if known is not None else ""


@define
class _Group:
    """
    The same fault of stations of one make.
    """

    said: Explained
    breaches: Breaches
    example: str
    stations: set[str] = field(factory=set)
    count: int = 0

    def add(self, rule: Rule, breaches: Breaches) -> None:
        """
        Another station that does so.
        """
        self.stations.add(rule.identity)
        self.count += breaches.count
        if breaches.last > self.breaches.last:
            self.example = rule.identity
            first = min(self.breaches.first, breaches.first)
            self.breaches = breaches
            breaches.first = first
        else:
            self.breaches.first = min(self.breaches.first, breaches.first)


def summary(fleet: Fleet, broken: Broken) -> list[dict[str, Any]]:
    """
    What was broken by vendor, model and firmware, most often first:
    C{{"vendor", "model", "firmware", "version", "action", "path", "rule",
    "message", "reference", "count", "stations", "first", "last",
    "example": {"identity", "call", "message"}}}.
    """
    groups: dict[tuple[str, ...], _Group] = {}
    for rule, breaches in broken.items():
        known = fleet.get(rule.identity)
        version = _version(known)
        said = explain(
            version, rule.action, rule.path, rule.rule, breaches.message
        )
        key = (*_make(known), version, *rule[1:])
        if key not in groups:
            groups[key] = _Group(said, breaches, rule.identity)
        groups[key].add(rule, breaches)
    shown = [_as_json(key, group) for key, group in groups.items()]
    return sorted(shown, key=lambda one: -one["count"])


def _as_json(key: tuple[str, ...], group: _Group) -> dict[str, Any]:
    vendor, model, firmware, version, action, path, rule, _ = key
    breaches = group.breaches
    return {
        "vendor": vendor or None,
        "model": model or None,
        "firmware": firmware or None,
        "version": version or None,
        "action": action or None,
        "path": path or None,
        "rule": rule or None,
        "message": group.said.advice,
        "reference": group.said.reference,
        "count": group.count,
        "stations": len(group.stations),
        "first": iso(breaches.first / 1000),
        "last": iso(breaches.last / 1000),
        "example": {
            "identity": group.example,
            "call": breaches.frame,
            "message": breaches.message,
        },
    }


def _make(known: Known | None) -> tuple[str, str, str]:
    """
    Vendor, model and firmware, as the station said when it booted.
    """
    boot = (known.boot if known is not None else None) or {}
    inner = boot.get("chargingStation")
    more = inner if isinstance(inner, dict) else {}
    return (
        _text(boot.get("chargePointVendor") or more.get("vendorName")),
        _text(boot.get("chargePointModel") or more.get("model")),
        _text(boot.get("firmwareVersion") or more.get("firmwareVersion")),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
