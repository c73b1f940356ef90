"""
The server's certificate, read again at every reload.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography import x509
from OpenSSL import SSL
from OpenSSL.crypto import FILETYPE_PEM, X509, load_privatekey
from twisted.internet import ssl

from .config import TLS
from .errors import BadConfig


_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Certificates:
    """
    A context factory whose certificate can be replaced while it is used.

    It is false where no certificate is configured.
    """

    def __init__(self, config: TLS) -> None:
        self._options = _options(config)

    def __bool__(self) -> bool:
        return self._options is not None

    def getContext(self) -> SSL.Context:
        """
        Called by Twisted for each connection.
        """
        return self._options.getContext()  # type: ignore[no-any-return]

    def read_again(self, config: TLS) -> Callable[[], None]:
        """
        @return: what puts the new certificate in place.
        @raise BadConfig: it cannot be used.
        """
        options = _options(config)

        def replace() -> None:
            self._options = options

        return replace


def _options(config: TLS) -> Any:
    if not config.certificate:
        return None
    try:
        ours, *chain = _certificates(config.certificate)
        key = Path(config.key or config.certificate).read_bytes()
        trusted = _certificates(config.client_ca) if config.client_ca else []
        options = ssl.CertificateOptions(
            privateKey=load_privatekey(FILETYPE_PEM, key, _no_passphrase),
            certificate=ours,
            extraCertChain=chain,
            verify=bool(trusted),
            caCerts=trusted,
            # Operators need none: who has to have one is for the router.
            requireCertificate=False,
            raiseMinimumTo=_VERSIONS[config.min_version or "1.2"],
        )
        # Now, and not at the first connection.
        options.getContext()
    except (OSError, SSL.Error, ValueError) as e:
        raise BadConfig(f"[tls] {config.certificate}: {e}") from e
    return options


def _no_passphrase(*asked: object) -> bytes:
    """
    Nobody is there to be asked for one.
    """
    return b""


def _certificates(path: str) -> list[X509]:
    """
    All certificates in a file, in their order; at least one.
    """
    found = x509.load_pem_x509_certificates(Path(path).read_bytes())
    return [X509.from_cryptography(each) for each in found]
