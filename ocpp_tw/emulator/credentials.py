"""
The HTTP Basic credentials of a station, and what its AuthorizationKey means.

"Improved security for OCPP 1.6-J", edition 3, section 3: the key is a
password of up to 20 octets, set as up to 40 hexadecimal digits.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from .station import Station


_OCTETS = re.compile("[0-9A-Fa-f]{40}")


def password_of(key: str) -> bytes:
    """
    What is sent for an AuthorizationKey: 40 hexadecimal digits stand for 20
    octets, and anything else is text.

    >>> password_of("000102030405060708090a0b0c0d0e0f10111213")[-3:]
    b'\\x11\\x12\\x13'
    >>> password_of("0123456789abcdef")
    b'0123456789abcdef'
    """
    return bytes.fromhex(key) if _OCTETS.fullmatch(key) else key.encode()


def headers_of(station: Station) -> dict[str, str]:
    """
    The headers that say who a station is; none without an AuthorizationKey,
    and where its certificate says it (security profile 3).
    """
    key = station.keys.get("AuthorizationKey")
    if not key or station.keys.number("SecurityProfile") == 3:
        return {}
    basic = b64encode(station.identity.encode() + b":" + password_of(key))
    return {"Authorization": f"Basic {basic.decode()}"}
