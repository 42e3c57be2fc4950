"""Keys and certificates of a cluster: an authority of its own, one certificate for nodes and one for the operator.

A certificate says role and cluster, as a URI: momentum://<cluster uid>/node. Nodes serve and ask, so theirs is good for
both ends of TLS; the operator's is good for a client only, so no server can pretend with it.
"""

import datetime as dt
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS: Final = 3650
CERTIFICATE_DAYS: Final = 365
RENEW_BEFORE: Final = dt.timedelta(days=30)
BUS_KEY_BYTES: Final = 256  # corosync-keygen(8)
_BACKDATE: Final = dt.timedelta(minutes=10)
"""Clocks of nodes differ: a certificate made now must be good for one that is behind."""


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, PEM."""

    certificate: bytes
    key: bytes


def make_bus_key() -> bytes:
    """A new key for the bus."""
    return secrets.token_bytes(BUS_KEY_BYTES)


def make_authority(cluster_uid: str, now: dt.datetime) -> Pair:
    """A self-signed authority for one cluster."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"momentum {cluster_uid}")
    builder = _builder(name, name, key, now, AUTHORITY_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(is_authority=True), critical=True)
    return _pair(builder.sign(key, hashes.SHA256()), key)


def make_certificate(authority: Pair, cluster_uid: str, role: str, now: dt.datetime) -> Pair:
    """A certificate of `role` (node, operator) signed by the cluster's authority."""
    issuer = x509.load_pem_x509_certificate(authority.certificate)
    signer = serialization.load_pem_private_key(authority.key, None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise ValueError("the authority's key is not an elliptic curve key")  # noqa: TRY004 - its value is wrong
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_name(f"momentum {role}"), issuer.subject, key, now, CERTIFICATE_DAYS)
    ends = [ExtendedKeyUsageOID.CLIENT_AUTH]
    if role == "node":
        ends.append(ExtendedKeyUsageOID.SERVER_AUTH)
    builder = builder.add_extension(x509.ExtendedKeyUsage(ends), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    uri = x509.UniformResourceIdentifier(identity(cluster_uid, role))
    builder = builder.add_extension(x509.SubjectAlternativeName([uri]), critical=False)
    builder = builder.add_extension(_usage(is_authority=False), critical=True)
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    builder = builder.add_extension(issuer_key, critical=False)
    return _pair(builder.sign(signer, hashes.SHA256()), key)


def identity(cluster_uid: str, role: str) -> str:
    """The URI that a certificate carries."""
    return f"momentum://{cluster_uid}/{role}"


def is_due(certificate: bytes, now: dt.datetime, authority: bytes | None = None) -> bool:
    """Whether a certificate must be made anew: unreadable, near its end, or not of this authority."""
    try:
        read = x509.load_pem_x509_certificate(certificate)
        if authority is not None:
            read.verify_directly_issued_by(x509.load_pem_x509_certificate(authority))
    except Exception:
        return True
    return read.not_valid_after_utc - now < RENEW_BEFORE


def secrets_due(bus: Mapping[str, bytes], ca: Pair | None, issued: Mapping[str, bytes], now: dt.datetime) -> list[str]:
    """Which of "bus", "ca" and the roles in `issued` (role → certificate, empty when missing) must be made.

    A new authority makes all certificates anew. The bus key is never renewed here: nodes with different keys do not
    hear each other, so its rotation takes three steps.
    """
    due = [] if len(bus.get("authkey", b"")) >= BUS_KEY_BYTES // 2 else ["bus"]
    if ca is None or is_due(ca.certificate, now):
        return [*due, "ca", *issued]
    return due + [role for role, certificate in issued.items() if is_due(certificate, now, ca.certificate)]


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: dt.datetime, days: int
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - _BACKDATE)
    own_key = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return builder.not_valid_after(now + dt.timedelta(days=days)).add_extension(own_key, critical=False)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Pair(certificate.public_bytes(pem), private)
