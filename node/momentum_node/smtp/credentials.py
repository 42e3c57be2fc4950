"""Stores of users and passwords, as text (mta.md's `file://` and `digest://`), and the check against them. Pure.

    file://    user:password
    digest://  user:realm:MD5(user:realm:password)

Lines that begin with `#` and empty ones say nothing. A password may contain colons.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from momentum_node.errors import ConfigurationError

SCHEMES: Final = ("file", "digest")
_MD5_DIGITS: Final = 32


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """`uri` of Auth…Parameters, taken apart."""

    scheme: Literal["file", "digest"]
    path: str


@dataclass(frozen=True, slots=True)
class Users:
    """One store in memory: what each user's password must match."""

    scheme: Literal["file", "digest"]
    secrets: Mapping[tuple[str, str], str]
    """(user, realm) → password or digest; the realm is "" in a `file` store."""

    def accept(self, user: str, password: str, realm: str) -> bool:
        """Whether this is the user's password. Takes as long for a user that there is not."""
        if self.scheme == "file":
            known, said = self.secrets.get((user, "")), password
        else:
            known, said = self.secrets.get((user, realm)), digest(user, realm, password)
        is_equal = hmac.compare_digest((known or "\0").encode(), said.encode())
        return is_equal and known is not None


def digest(user: str, realm: str, password: str) -> str:
    """What a `digest://` store keeps; MD5 because the stores that people have are made so (RFC 2617 §3.2.2.2)."""
    text = f"{user}:{realm}:{password}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def parse_uri(uri: str) -> StoreAddress:
    """`file:///etc/momentum/users` and `digest://…`. Raises `ConfigurationError`."""
    scheme, separator, path = uri.partition("://")
    if not separator or scheme not in SCHEMES or not path.startswith("/"):
        raise ConfigurationError(f"{uri!r} names no store of users: write file:///path or digest:///path")
    return StoreAddress("file" if scheme == "file" else "digest", path)


def parse_users(text: str, address: StoreAddress) -> Users:
    """The users of a store. Raises `ConfigurationError` with the line, and never with what stands in it."""
    secrets: dict[tuple[str, str], str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        user, realm, secret = _entry(line, address, number)
        if (user, realm) in secrets:
            raise ConfigurationError(f"{address.path}:{number}: a user that is there already")
        secrets[user, realm] = secret
    return Users(address.scheme, secrets)


def _entry(line: str, address: StoreAddress, number: int) -> tuple[str, str, str]:
    if address.scheme == "file":
        user, separator, password = line.partition(":")
        if not separator or not user or not password:
            raise ConfigurationError(f"{address.path}:{number}: write user:password")
        return user, "", password
    parts = line.rstrip().split(":")
    if len(parts) != 3 or not parts[0] or len(parts[2]) != _MD5_DIGITS:
        raise ConfigurationError(f"{address.path}:{number}: write user:realm:digest, the digest as 32 hex digits")
    return parts[0], parts[1], parts[2].lower()
