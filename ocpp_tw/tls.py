"""
The server's certificate, read again at every reload.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from twisted.internet import ssl

from .errors import BadConfig


_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Certificates:
    """
    A context factory whose certificate can be replaced while it is used.

    It is false where no certificate is configured.
    """

    def __init__(self, config: Any) -> None:
        self._options = _options(config)

    def __bool__(self) -> bool:
        return self._options is not None

    def getContext(self) -> SSL.Context:
        """
        Called by Twisted for each connection.
        """
        return self._options.getContext()  # type: ignore[no-any-return]

    def read_again(self, config: Any) -> Callable[[], None]:
        """
        @return: what puts the new certificate in place.
        @raise BadConfig: it cannot be used, or TLS was switched on or off,
            which a listening port cannot follow.
        """
        options = _options(config)
        if (options is None) != (self._options is None):
            raise BadConfig(
                "[tls] certificate: TLS cannot be switched on or off by a "
                "reload; restart"
            )

        def replace() -> None:
            self._options = options

        return replace


def _options(config: Any) -> Any:
    if not config.certificate:
        return None
    try:
        pem = Path(config.certificate).read_text()
        if config.key:
            pem += "\n" + Path(config.key).read_text()
        ours = ssl.PrivateCertificate.loadPEM(pem)
        trusted = None
        if config.client_ca:
            authority = Path(config.client_ca).read_bytes()
            trusted = ssl.Certificate.loadPEM(authority)
        return ssl.CertificateOptions(
            privateKey=ours.privateKey.original,
            certificate=ours.original,
            trustRoot=trusted,
            raiseMinimumTo=_VERSIONS[config.min_version or "1.2"],
        )
    except (OSError, SSL.Error, ValueError) as e:
        raise BadConfig(f"[tls] {config.certificate}: {e}") from e
