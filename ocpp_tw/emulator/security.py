"""
The security extension: certificates, signed firmware, logs.

"Improved security for OCPP 1.6-J", edition 3.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from attrs import define, field
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
)
from cryptography.x509.oid import NameOID

from ..errors import BadConfig
from ..ocpp.messages import Payload
from ..ocpp.times import parse_time
from . import transfers
from .chargepoint import ChargePoint
from .config import checked_url
from .connector import Connector


_HASHES: dict[str, Any] = {
    "SHA256": hashes.SHA256,
    "SHA384": hashes.SHA384,
    "SHA512": hashes.SHA512,
}


#: How many attempts to connect a new security profile has.
ATTEMPTS_OF_A_PROFILE = 3


@define
class Safe:
    """
    The certificates and the key of one charge point.

    @ivar roots: the installed certificates, with their use.
    @ivar key: made for the last SignCertificate.
    @ivar chain: its own certificate, and those that vouch for it, as PEM.
    @ivar fallback: the security profile before the one that is new, until
        the central system has accepted us with that.
    """

    roots: list[tuple[str, x509.Certificate]] = field(factory=list)
    key: EllipticCurvePrivateKey | None = None
    chain: str | None = None
    fallback: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "roots": [[use, _pem(root)] for use, root in self.roots],
            "key": self.key and self.key_pem().decode(),
            "chain": self.chain,
            "fallback": self.fallback,
        }

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> Safe:
        """
        @param kept: what L{as_json} made.
        @raise ValueError, KeyError, TypeError: that is something else.
        """
        key: Any = kept["key"] and serialization.load_pem_private_key(
            kept["key"].encode(), None
        )
        roots = [
            (use, x509.load_pem_x509_certificate(pem.encode()))
            for use, pem in kept["roots"]
        ]
        return cls(roots, key, kept["chain"], kept.get("fallback"))

    def of(self, use: str) -> list[x509.Certificate]:
        return [certificate for kind, certificate in self.roots if kind == use]

    def key_pem(self) -> bytes:
        assert self.key is not None
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def safe_of(station: ChargePoint) -> Safe:
    if station.security is None:
        station.security = Safe()
    return station.security  # type: ignore[no-any-return]


def change_key(station: ChargePoint, name: str, value: str) -> str | None:
    """
    What is special with the keys of the extension; None if nothing is.
    """
    if name == "SecurityProfile":
        return _apply(station, _change_profile(station, value))
    if name == "CentralSystemURL" and not _is_like(value, station.url):
        return "Rejected"
    if name == "AuthorizationKey":
        return _apply(station, station.keys.change(name, value))
    return None


def _apply(station: ChargePoint, status: str) -> str:
    """
    What was accepted is used from the next connection on, which is soon.
    """
    if status == "Accepted":
        station.note_security("ReconfigurationOfSecurityParameters")
        station.clock.callLater(1, station.reboot)
    return status


def _is_like(url: str, other: str) -> bool:
    """
    Whether it is the URL of a central system that speaks the same.
    """
    try:
        return checked_url(url).startswith("ws") == other.startswith("ws")
    except BadConfig:
        return False


def _change_profile(station: ChargePoint, value: str) -> str:
    """
    A security profile is never lowered (section 2.2), and raised where
    there is all that it needs (A05).
    """
    now = station.keys.number("SecurityProfile")
    if value not in ("0", "1", "2", "3") or int(value) < now:
        return "Rejected"
    if not _has_what_it_needs(station, int(value)):
        return "Rejected"
    status = station.keys.change("SecurityProfile", value)
    safe = safe_of(station)
    if status == "Accepted" and int(value) > now and safe.fallback is None:
        safe.fallback = now
    return status


def _has_what_it_needs(station: ChargePoint, profile: int) -> bool:
    safe, config = safe_of(station), station.config
    trusts = config.ca or safe.of("CentralSystemRootCertificate")
    if profile >= 2 and not trusts:
        return False
    if profile == 3:
        return bool(config.certificate or safe.chain)
    return profile == 0 or bool(station.keys.get("AuthorizationKey"))


def fall_back(station: ChargePoint, attempts: int) -> None:
    """
    Go back to the security profile before, where the new one leads nowhere
    (A05): only we may do that.

    @param attempts: how many have failed in a row.
    """
    safe = safe_of(station)
    before = safe.fallback
    if before is None or attempts < ATTEMPTS_OF_A_PROFILE:
        return
    safe.fallback = None
    station.note_security(
        "ReconfigurationOfSecurityParameters",
        f"no connection: back to security profile {before}",
    )
    station.keys.put("SecurityProfile", str(before))
    station.take_address()
    station.save()


# Certificates


def sign_certificate(
    station: ChargePoint, connectors: list[Connector]
) -> None:
    """
    Make a key, and ask the central system to have it signed.
    """
    key = safe_of(station).key = ec.generate_private_key(SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(
                NameOID.ORGANIZATION_NAME, station.keys["CpoName"][:64] or "-"
            ),
            x509.NameAttribute(NameOID.COMMON_NAME, station.identity[:64]),
        ]
    )
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(
        serialization.Encoding.PEM
    )
    station.tell("SignCertificate", {"csr": pem.decode()}, triggered=True)


def answer_CertificateSigned(
    station: ChargePoint, payload: Payload
) -> Payload:
    safe, text = safe_of(station), payload["certificateChain"]
    try:
        certificates = x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        return _invalid(station, "not PEM")
    if safe.key is None or (
        _public(certificates[0].public_key()) != _public(safe.key.public_key())
    ):
        return _invalid(station, "not our key")
    if not _is_current(station, certificates[0]):
        return _invalid(station, "not valid now")
    safe.chain = text
    # Use it from the next connection on.
    station.clock.callLater(1, station.reboot)
    return {"status": "Accepted"}


def _invalid(station: ChargePoint, why: str) -> Payload:
    station.note_security("InvalidChargePointCertificate", why)
    return {"status": "Rejected"}


def _public(key: Any) -> bytes:
    return bytes(
        key.public_bytes(
            serialization.Encoding.DER,
            serialization.PublicFormat.SubjectPublicKeyInfo,
        )
    )


def _is_current(station: ChargePoint, certificate: x509.Certificate) -> bool:
    begin = certificate.not_valid_before_utc.timestamp()
    end = certificate.not_valid_after_utc.timestamp()
    return begin <= station.now + station.skew <= end


def answer_InstallCertificate(
    station: ChargePoint, payload: Payload
) -> Payload:
    safe = safe_of(station)
    try:
        certificate = x509.load_pem_x509_certificate(
            payload["certificate"].encode()
        )
    except ValueError:
        return {"status": "Rejected"}
    most = station.keys.number("CertificateStoreMaxLength")
    if len(safe.roots) >= most or not _is_current(station, certificate):
        return {"status": "Rejected"}
    entry = payload["certificateType"], certificate
    if entry not in safe.roots:
        safe.roots.append(entry)
        station.save()
    return {"status": "Accepted"}


def hash_data(certificate: x509.Certificate, name: str) -> dict[str, str]:
    """
    The certificateHashData of a certificate (section 7.1).

    @param name: SHA256, SHA384 or SHA512.
    """

    def hashed(data: bytes) -> str:
        digest = hashes.Hash(_HASHES[name]())
        digest.update(data)
        return digest.finalize().hex()

    public = _key_bits(certificate.public_key())
    return {
        "hashAlgorithm": name,
        "issuerNameHash": hashed(certificate.issuer.public_bytes()),
        "issuerKeyHash": hashed(public),
        "serialNumber": f"{certificate.serial_number:x}"[:40],
    }


def _key_bits(key: Any) -> bytes:
    """
    A public key without what says of which kind it is (RFC 6960, 4.1.1).
    """
    encoding, form = serialization.Encoding, serialization.PublicFormat
    if isinstance(key, rsa.RSAPublicKey):
        return key.public_bytes(encoding.DER, form.PKCS1)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.public_bytes(encoding.X962, form.UncompressedPoint)
    return _public(key)


def answer_GetInstalledCertificateIds(
    station: ChargePoint, payload: Payload
) -> Payload:
    found = safe_of(station).of(payload["certificateType"])
    if not found:
        return {"status": "NotFound"}
    return {
        "status": "Accepted",
        "certificateHashData": [hash_data(c, "SHA256") for c in found],
    }


def answer_DeleteCertificate(
    station: ChargePoint, payload: Payload
) -> Payload:
    safe, wanted = safe_of(station), payload["certificateHashData"]
    name = wanted["hashAlgorithm"]
    wanted = {key: str(value).lower() for key, value in wanted.items()}
    for entry in safe.roots:
        data = hash_data(entry[1], name)
        if {key: value.lower() for key, value in data.items()} == wanted:
            safe.roots.remove(entry)
            station.save()
            return {"status": "Accepted"}
    return {"status": "NotFound"}


# Logs and signed firmware


def answer_GetLog(station: ChargePoint, payload: Payload) -> Payload:
    name = transfers.log_name(station, payload["logType"])
    station.clock.callLater(0, transfers.send_log, station, payload, name)
    return {"status": _accepted(station, "log"), "filename": name}


def answer_SignedUpdateFirmware(
    station: ChargePoint, payload: Payload
) -> Payload:
    firmware = payload["firmware"]
    try:
        certificate = x509.load_pem_x509_certificate(
            firmware["signingCertificate"].encode()
        )
        signature = b64decode(firmware["signature"], validate=True)
    except ValueError:
        station.note_security("InvalidFirmwareSigningCertificate")
        return {"status": "InvalidCertificate"}
    if not _is_current(station, certificate) or not _is_vouched_for(
        certificate, safe_of(station)
    ):
        station.note_security("InvalidFirmwareSigningCertificate")
        return {"status": "InvalidCertificate"}
    status = _accepted(station, "firmware")
    if status != "Accepted" and transfers.is_installing(station):
        return {"status": "Rejected"}
    station.clock.callLater(
        0, _update_signed, station, payload, certificate, signature
    )
    return {"status": status}


def _accepted(station: ChargePoint, what: str) -> str:
    """
    Whether something else is given up for it.
    """
    running = transfers.is_running(station, what)
    return "AcceptedCanceled" if running else "Accepted"


def _is_vouched_for(certificate: x509.Certificate, safe: Safe) -> bool:
    """
    Whether a root of the manufacturer signed it; where none is installed,
    anything goes.
    """
    roots = safe.of("ManufacturerRootCertificate")
    return not roots or any(_signed_by(certificate, root) for root in roots)


def _signed_by(certificate: x509.Certificate, root: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _update_signed(
    station: ChargePoint,
    payload: Payload,
    certificate: x509.Certificate,
    signature: bytes,
) -> None:
    firmware = payload["firmware"]
    transfers.fetch_signed_firmware(
        station,
        payload,
        lambda body: is_signed(body, certificate, signature),
        parse_time(firmware.get("installDateTime")),
    )


def is_signed(
    body: bytes, certificate: x509.Certificate, signature: bytes
) -> bool:
    """
    Whether that certificate's key made that signature of that file.
    """
    key = certificate.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            _verify_rsa(key, body, signature)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, body, ECDSA(hashes.SHA256()))
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _verify_rsa(key: rsa.RSAPublicKey, body: bytes, signature: bytes) -> None:
    """
    @raise InvalidSignature: it is neither of the two kinds in use.
    """
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)
    try:
        key.verify(signature, body, pss, hashes.SHA256())
    except InvalidSignature:
        key.verify(signature, body, padding.PKCS1v15(), hashes.SHA256())


OPERATIONS = {
    "CertificateSigned": answer_CertificateSigned,
    "InstallCertificate": answer_InstallCertificate,
    "GetInstalledCertificateIds": answer_GetInstalledCertificateIds,
    "DeleteCertificate": answer_DeleteCertificate,
    "GetLog": answer_GetLog,
    "SignedUpdateFirmware": answer_SignedUpdateFirmware,
}
