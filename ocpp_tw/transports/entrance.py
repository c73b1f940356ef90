"""
What a connection passes before its first request: the introduction by a
proxy, then TLS; each where it is configured, and as it is configured then.
"""

from __future__ import annotations

from typing import Any

from twisted.protocols.policies import WrappingFactory
from twisted.protocols.tls import TLSMemoryBIOFactory

from .proxies import Introduction, Proxies


class Entrance(WrappingFactory):
    """
    What listening ports are given.
    """

    noisy = False

    def __init__(
        self, site: Any, certificates: Any, proxies: Proxies, clock: Any
    ) -> None:
        """
        @param certificates: a context factory that is false for no TLS.
        """
        super().__init__(site)
        self._certificates = certificates
        self._proxies = proxies
        self._clock = clock
        self._tls: TLSMemoryBIOFactory | None = None

    def buildProtocol(self, address: Any) -> Any:
        inner = self._secured() if self._certificates else self.wrappedFactory
        if self._proxies.introduce and self._proxies.trust(address):
            return Introduction(inner, self._clock)
        return inner.buildProtocol(address)

    def _secured(self) -> TLSMemoryBIOFactory:
        if self._tls is None:
            self._tls = TLSMemoryBIOFactory(
                self._certificates, False, self.wrappedFactory
            )
        return self._tls
