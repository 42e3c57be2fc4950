"""What a transport says of its connection."""

import asyncio
from ipaddress import IPv6Address, ip_address

from momentum_node.config.model import Address


def address_of(text: str) -> Address:
    """An address as the kernel gives it: without zone, IPv4 as IPv4."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def cipher_of(transport: asyncio.BaseTransport) -> str:
    """Version and cipher of TLS, as the Received header shows them."""
    name, version, _ = transport.get_extra_info("cipher") or ("", "", 0)
    return f"{version} {name}".strip()


def has_certificate(transport: asyncio.BaseTransport) -> bool:
    """The client showed a certificate; that it is a good one the handshake has seen to."""
    return bool(transport.get_extra_info("peercert"))
