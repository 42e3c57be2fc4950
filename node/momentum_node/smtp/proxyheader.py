"""The PROXY protocol, versions 1 and 2: who the client is behind a load balancer (haproxy.org, proxy-protocol.txt).

    read_header(b"PROXY TCP4 192.0.2.7 198.18.0.41 5321 25\\r\\nEHLO …")  ->  ProxyHeader(192.0.2.7, 5321, …, size=50)

Pure. The header is the first thing on the connection, and believed only from `Proxy_Protocol_From`.
"""

import struct
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from momentum_node.config.model import Address
from momentum_node.errors import ProtocolError

SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
MAX_V1_BYTES: Final = 107
MAX_V2_BYTES: Final = 4096
"""Addresses need 36 bytes; the rest is for attributes that are skipped."""
_V2_HEAD: Final = 16
_LOCAL, _PROXY = 0x20, 0x21
_TCP4, _TCP6, _UNSPECIFIED = 0x11, 0x21, 0x00


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """What a header says. `client` None: the balancer itself (a health check), whose own address counts."""

    client: Address | None
    client_port: int
    local: Address | None
    local_port: int
    size: int
    """How many bytes the header was long; what follows is the client's."""


def read_header(data: bytes) -> ProxyHeader | None:
    """The header at the beginning of `data`; None while it is not complete. Raises `ProtocolError`."""
    if data.startswith(SIGNATURE):
        return _version_2(data)
    if data.startswith(b"PROXY "):
        return _version_1(data)
    if SIGNATURE.startswith(data) or b"PROXY ".startswith(data):
        return None
    raise ProtocolError("the connection does not begin with a PROXY header")


def _version_1(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\r\n", 0, MAX_V1_BYTES)
    if end < 0:
        if len(data) >= MAX_V1_BYTES:
            raise ProtocolError(f"a PROXY header of version 1 ends within {MAX_V1_BYTES} bytes")
        return None
    words = data[:end].decode("ascii", "replace").split(" ")
    if words[1] == "UNKNOWN":
        return ProxyHeader(None, 0, None, 0, end + 2)
    if len(words) != 6 or words[1] not in {"TCP4", "TCP6"}:
        raise ProtocolError("a PROXY header reads: PROXY TCP4|TCP6 source destination port port")
    version = int(words[1][-1])
    source, local = _address(words[2], version), _address(words[3], version)
    return ProxyHeader(source, _port(words[4]), local, _port(words[5]), end + 2)


def _address(text: str, version: int) -> Address:
    try:
        address = ip_address(text)
    except ValueError as error:
        raise ProtocolError(f"the PROXY header names no address: {error}") from None
    if address.version != version:
        raise ProtocolError(f"the PROXY header names no address of IPv{version}")
    return address


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) <= 65535):
        raise ProtocolError("the PROXY header names no port")
    return int(text)


def _version_2(data: bytes) -> ProxyHeader | None:
    if len(data) < _V2_HEAD:
        return None
    command, family, length = struct.unpack_from(">BBH", data, len(SIGNATURE))
    if length > MAX_V2_BYTES:
        raise ProtocolError(f"a PROXY header of {length} bytes is longer than {MAX_V2_BYTES}")
    size = _V2_HEAD + length
    if command not in {_LOCAL, _PROXY}:
        raise ProtocolError(f"unknown PROXY version or command {command:#04x}")
    if len(data) < size:
        return None
    if command == _LOCAL or family == _UNSPECIFIED:
        return ProxyHeader(None, 0, None, 0, size)
    layouts = {_TCP4: ">4s4sHH", _TCP6: ">16s16sHH"}
    if family not in layouts or length < struct.calcsize(layouts[family]):
        raise ProtocolError(f"the PROXY header does not speak of TCP (family {family:#04x}, {length} bytes)")
    source, destination, source_port, port = struct.unpack_from(layouts[family], data, _V2_HEAD)
    return ProxyHeader(ip_address(source), source_port, ip_address(destination), port, size)
