"""What a transport says of its connection."""

import asyncio
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

from momentum_node.config.model import Address
from momentum_node.smtp.events import Tls

_SHORT: Final = {
    "commonName": "CN",
    "countryName": "C",
    "stateOrProvinceName": "ST",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
}


def address_of(text: str) -> Address:
    """An address as the kernel gives it: without zone, IPv4 as IPv4."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def tls_of(transport: asyncio.BaseTransport) -> Tls | None:
    """What its handshake came to; None: it has none. A certificate that the client showed the handshake has judged."""
    cipher = transport.get_extra_info("cipher")
    if cipher is None:
        return None
    name, version, _ = cipher
    certificate: Mapping[str, Any] = transport.get_extra_info("peercert") or {}
    return Tls(f"{version} {name}", bool(certificate), subject_of(certificate))


def subject_of(certificate: Mapping[str, Any]) -> str:
    """Of a certificate as `ssl` tells it, in OpenSSL's old way of writing."""
    names = [pair for part in certificate.get("subject", ()) for pair in part]
    return "".join(f"/{_SHORT.get(name, name)}={value}" for name, value in names)
