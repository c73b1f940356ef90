"""
The versions of OCPP, and the names they go by.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Version(StrEnum):
    """
    A version of OCPP; its value is how the standard writes it.
    """

    V12 = "1.2"
    V15 = "1.5"
    V16 = "1.6"
    V201 = "2.0.1"
    V21 = "2.1"

    @property
    def subprotocol(self) -> str:
        """
        The name registered for C{Sec-WebSocket-Protocol}.

        >>> Version.V16.subprotocol
        'ocpp1.6'
        """
        return f"ocpp{self}"

    @property
    def is_1x(self) -> bool:
        """
        Whether it has Charge Points with Connectors, and not Charging
        Stations with EVSEs.
        """
        return self.value.startswith("1.")


#: The versions that we speak over a WebSocket, by sub-protocol.
SPOKEN = {v.subprotocol: v for v in (Version.V16,)}


def negotiate(offered: Iterable[str]) -> Version | None:
    """
    Choose the first version the station offers that we speak (OCPP-J 1.6,
    section 3.1.2: the station lists its preference first).

    >>> negotiate(["ocpp1.7", "ocpp1.6"])
    <Version.V16: '1.6'>
    >>> negotiate(["ocpp16"]) is None
    True
    """
    return next((SPOKEN[name] for name in offered if name in SPOKEN), None)
