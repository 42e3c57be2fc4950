"""DKIM signatures (RFC 6376, RFC 8463): relaxed/relaxed, RSA-SHA256 and Ed25519-SHA256. Pure; keys are values.

From stands in `h` once more than it stands in the message, so that nobody can add another one.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from momentum_node.errors import ConfigurationError

SIGNED: Final = (
    *("from", "reply-to", "subject", "date", "to", "cc", "message-id", "in-reply-to", "references", "sender"),
    *("mime-version", "content-type", "content-transfer-encoding", "content-id", "content-description"),
    *("resent-date", "resent-from", "resent-to", "resent-cc", "resent-message-id"),
    *("list-id", "list-help", "list-unsubscribe", "list-unsubscribe-post", "list-subscribe", "list-post", "list-owner"),
)
"""RFC 6376 §5.4.1, and List-Unsubscribe-Post (RFC 8058), which large receivers want signed."""
MIN_RSA_BITS: Final = 1024  # RFC 8301 §3.2
PrivateKey: TypeAlias = RSAPrivateKey | Ed25519PrivateKey
_FIELD: Final = re.compile(rb"([!-9;-~]+)[ \t]*:((?:[^\r\n]|\r\n[ \t])*)\r\n")
_FROM: Final = re.compile(r"@([\w.-]+|\[[^\]]*\])\s*>?\s*(?:\([^()]*\)\s*)?$")


@dataclass(frozen=True, slots=True)
class Key:
    """One selector's key of one domain."""

    domain: str
    selector: str
    private: PrivateKey = field(repr=False)  # never in a log

    @property
    def algorithm(self) -> str:
        """As in the tag `a`."""
        return "rsa-sha256" if isinstance(self.private, RSAPrivateKey) else "ed25519-sha256"

    def sign(self, data: bytes) -> bytes:
        """The signature of what RFC 6376 §3.7 hashes."""
        if isinstance(self.private, RSAPrivateKey):
            return self.private.sign(data, PKCS1v15(), SHA256())
        return self.private.sign(hashlib.sha256(data).digest())  # RFC 8463 §3


def load_key(domain: str, selector: str, pem: bytes) -> Key:
    """A key from a PEM file. Raises `ConfigurationError`, which tells nothing of the key."""
    try:
        private = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigurationError(
            f"DKIM key {selector} of {domain} is no private key in PEM without a password"
        ) from None
    if isinstance(private, RSAPrivateKey) and private.key_size < MIN_RSA_BITS:
        raise ConfigurationError(f"DKIM key {selector} of {domain} has {private.key_size} bits, too few (RFC 8301)")
    if not isinstance(private, PrivateKey):
        raise ConfigurationError(f"DKIM key {selector} of {domain} is neither RSA nor Ed25519")
    return Key(domain, selector, private)


def canonical_body(body: bytes) -> bytes:
    """Relaxed (RFC 6376 §3.4.4)."""
    if b" " in body or b"\t" in body:
        body = re.sub(rb"[ \t]+", b" ", body).replace(b" \r\n", b"\r\n")
    end = len(body)
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    body = body[:end].removesuffix(b" ")
    return body + b"\r\n" if body else b""


def canonical_field(name: bytes, value: bytes) -> bytes:
    """Relaxed (RFC 6376 §3.4.2), with its CRLF."""
    unfolded = re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b"")).strip(b" ")
    return name.lower() + b":" + unfolded + b"\r\n"


def fields_of(head: bytes) -> list[tuple[bytes, bytes]]:
    """(name in lower case, value) of every header, from the top."""
    return [(found[1].lower(), found[2]) for found in _FIELD.finditer(head)]


def from_domain(fields: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The domain of the only From with one address, in lower case; None when there is no such."""
    values = [value for name, value in fields if name == b"from"]
    if len(values) != 1:
        return None
    text = re.sub(r"\s+", " ", values[0].decode("utf-8", "replace")).strip()
    found = _FROM.search(text)
    return found[1].lower() if found else None


def hashed_headers(fields: Sequence[tuple[bytes, bytes]], names: Iterable[str]) -> bytes:
    """The headers of `h`: of several with one name the lowest first (RFC 6376 §5.4.2)."""
    left: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        left.setdefault(name, []).append(value)
    parts = []
    for wanted in (name.encode() for name in names):
        values = left.get(wanted)
        if values:
            parts.append(canonical_field(wanted, values.pop()))
    return b"".join(parts)


def signature(
    key: Key, fields: Sequence[tuple[bytes, bytes]], names: Sequence[str], body_hash: bytes, now: int
) -> bytes:
    """The DKIM-Signature header of one key, with its CRLF. `now`: seconds since the epoch."""
    tags = (
        f" v=1; a={key.algorithm}; c=relaxed/relaxed;\r\n"
        f"\td={key.domain};\r\n\ts={key.selector}; t={now};\r\n"
        f"\th={_folded(names)};\r\n"
        f"\tbh={base64.b64encode(body_hash).decode()};\r\n\tb="
    ).encode()
    data = hashed_headers(fields, names) + canonical_field(b"dkim-signature", tags).removesuffix(b"\r\n")
    value = base64.b64encode(key.sign(data)).decode()
    lines = "\r\n\t ".join(value[at : at + 70] for at in range(0, len(value), 70))
    return b"DKIM-Signature:" + tags + lines.encode() + b"\r\n"


def _folded(names: Sequence[str]) -> str:
    lines, line = [], ""
    for name in names:
        if len(line) + len(name) > 66:
            lines.append(line)
            line = ""
        line += f"{name}:"
    return "\r\n\t ".join([*lines, line])[:-1]


@dataclass(frozen=True, slots=True)
class Signer:
    """All keys of a generation, by domain; `names`: the headers that are signed where they are present."""

    keys: Mapping[str, Sequence[Key]]
    names: tuple[str, ...] = SIGNED

    def keys_for(self, domain: str) -> Sequence[Key]:
        """Those of the domain itself, else of the nearest domain above it."""
        while domain:
            found = self.keys.get(domain)
            if found:
                return found
            domain = domain.partition(".")[2]
        return ()

    def sign(self, content: bytes, now: int) -> bytes:
        """The signatures to stand above a message: b"" when no key is its author's. Takes a millisecond a key."""
        end = content.find(b"\r\n\r\n")
        head, body = (content, b"") if end < 0 else (content[: end + 2], content[end + 4 :])
        fields = fields_of(head)
        keys = self.keys_for(from_domain(fields) or "")
        if not keys:
            return b""
        present = [name.decode() for name, _ in fields]
        names = [name for name in self.names for _ in range(present.count(name))] + ["from"]
        body_hash = hashlib.sha256(canonical_body(body)).digest()
        return b"".join(signature(key, fields, names, body_hash, now) for key in keys)
