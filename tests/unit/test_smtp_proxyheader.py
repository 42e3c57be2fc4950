"""The PROXY header, both versions, byte by byte and wrong in every way."""

import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from momentum_node.errors import ProtocolError
from momentum_node.smtp.proxyheader import SIGNATURE, ProxyHeader, read_header

V4 = b"PROXY TCP4 192.0.2.7 198.18.0.41 5321 25\r\n"


def version_2(source: str, destination: str, *, command: int = 0x21, family: int | None = None) -> bytes:
    one, other = ip_address(source), ip_address(destination)
    body = one.packed + other.packed + struct.pack(">HH", 5321, 25) + b"\x04\x00\x01x"  # an attribute to skip
    kind = family if family is not None else {4: 0x11, 6: 0x21}[one.version]
    return SIGNATURE + struct.pack(">BBH", command, kind, len(body)) + body


def test_version_1() -> None:
    header = read_header(V4 + b"EHLO client\r\n")
    assert header == ProxyHeader(ip_address("192.0.2.7"), 5321, ip_address("198.18.0.41"), 25, len(V4))


def test_version_1_over_ipv6() -> None:
    header = read_header(b"PROXY TCP6 fd00::7 fd00::41 5321 25\r\n")
    assert header is not None
    assert (header.client, header.local) == (ip_address("fd00::7"), ip_address("fd00::41"))


@pytest.mark.parametrize(("source", "destination"), [("192.0.2.7", "198.18.0.41"), ("fd00::7", "fd00::41")])
def test_version_2(source: str, destination: str) -> None:
    data = version_2(source, destination)
    assert read_header(data + b"EHLO") == ProxyHeader(ip_address(source), 5321, ip_address(destination), 25, len(data))


@pytest.mark.parametrize(
    "data",
    [b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN a b c d\r\n", version_2("192.0.2.7", "192.0.2.8", command=0x20),
     version_2("192.0.2.7", "192.0.2.8", family=0)],
)  # fmt: skip
def test_a_health_check_of_the_balancer_names_nobody(data: bytes) -> None:
    header = read_header(data)
    assert header is not None
    assert (header.client, header.local, header.size) == (None, None, len(data))


@pytest.mark.parametrize("whole", [V4, version_2("192.0.2.7", "192.0.2.8"), version_2("fd00::1", "fd00::2")])
def test_it_may_come_byte_by_byte(whole: bytes) -> None:
    assert [read_header(whole[:size]) for size in range(len(whole))] == [None] * len(whole)
    assert read_header(whole) is not None


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"EHLO client\r\n", "does not begin with a PROXY header"),
        (b"PROXY TCP4 192.0.2.7 198.18.0.41 5321\r\n", "PROXY TCP4|TCP6 source"),
        (b"PROXY TCP4 fd00::7 198.18.0.41 5321 25\r\n", "names no address"),
        (b"PROXY TCP4 192.0.2.7 198.18.0.41 99999 25\r\n", "names no port"),
        (b"PROXY TCP4 192.0.2.7 198.18.0.41 -1 25\r\n", "names no port"),
        (b"PROXY TCP4 " + b"1" * 200, "ends within 107 bytes"),
        (SIGNATURE + b"\x31\x11\x00\x0c" + bytes(12), "unknown PROXY version"),
        (SIGNATURE + b"\x21\x31\x00\x0c" + bytes(12), "does not speak of TCP"),
        (SIGNATURE + b"\x21\x11\x00\x04" + bytes(4), "does not speak of TCP"),
        (SIGNATURE + b"\x21\x11\xff\xff", "longer than"),
    ],
)
def test_what_is_none_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        read_header(data)
    assert says in str(caught.value)


@given(st.binary(max_size=300), st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21"]))
def test_any_bytes_give_a_header_a_refusal_or_patience(data: bytes, start: bytes) -> None:
    try:
        header = read_header(start + data)
    except ProtocolError:
        return
    assert header is None or header.size <= len(start + data)
