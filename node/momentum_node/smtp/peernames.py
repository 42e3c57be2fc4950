"""Whether a certificate was issued for the host that we meant to reach (RFC 6125, RFC 9525). Pure.

Only the subject's alternative names count, as for every client of today; a wildcard stands for one whole label, the
first.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from momentum_node.config.nexthops import literal


def fits(certificate: Mapping[str, Any], wanted: Iterable[str]) -> bool:
    """`certificate`: as `ssl.SSLSocket.getpeercert` gives it. `wanted`: names or addresses, one of which has to be in
    it."""
    given: Sequence[tuple[str, str]] = certificate.get("subjectAltName", ())
    names = {value.lower().removesuffix(".") for kind, value in given if kind == "DNS"}
    addresses = {literal(value) for kind, value in given if kind == "IP Address"}
    return any(_fits(one.lower().removesuffix("."), names, addresses) for one in wanted)


def _fits(wanted: str, names: set[str], addresses: set[str | None]) -> bool:
    address = literal(wanted.strip("[]"))
    if address is not None:
        return address in addresses
    first, _, rest = ascii_name(wanted).partition(".")
    return f"{first}.{rest}" in names or ("." in rest and f"*.{rest}" in names)


def ascii_name(name: str) -> str:
    """A host's name as it stands in certificates and in the handshake (RFC 5890); what is none stays as it is."""
    try:
        return name.encode("idna").decode()
    except UnicodeError:
        return name
