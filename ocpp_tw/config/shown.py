"""
The configuration in force, for those who may see it.

>>> shown({"webhook": {"token": "t"}})["webhook"]["token"]
{'value': '(hidden)', 'given': True}
>>> shown({})["server"]["port"]
{'value': '9220', 'given': False}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from .settings import SETTINGS


HIDDEN = "(hidden)"

#: The keys of a section; of each its value and whether somebody gave it.
Shown = dict[str, dict[str, dict[str, Any]]]


def shown(given: Mapping[str, Mapping[str, str]]) -> Shown:
    """
    Every key by its section, without what is secret.

    What belongs to a backend that is not ours is hidden whole: nobody told us
    which of it is secret.

    @param given: what is in the file and the environment.
    """
    sections: Shown = {}
    for section, key in SETTINGS:
        sections.setdefault(section, {})[key] = _default(section, key)
    for section, keys in given.items():
        for key, text in keys.items():
            value = _value(section, key, text)
            sections.setdefault(section, {})[key] = _entry(value, True)
    return sections


def _entry(value: str, given: bool) -> dict[str, Any]:
    return {"value": value, "given": given}


def _default(section: str, key: str) -> dict[str, Any]:
    return _entry(SETTINGS[section, key].shown_default, False)


def _value(section: str, key: str, text: str) -> str:
    setting = SETTINGS.get((section, key))
    if setting is None or setting.secret:
        return HIDDEN
    return HIDDEN if _may_be_secret(text) else text


def _may_be_secret(text: str) -> bool:
    """
    Whether it is an address with a password, or a query, in it.
    """
    try:
        address = urlsplit(text)
        return bool(address.netloc and (address.password or address.query))
    except ValueError:
        return True
