"""The records between core and supervisor: 64 bytes, one layout, nothing else is read."""

import os
import socket
from struct import pack_into

import pytest
from hypothesis import given
from hypothesis import strategies as st

from momentum_node.duravip.records import (
    PACKET_RECORDS,
    RECORD_BYTES,
    Kind,
    Record,
    receive_records,
    send_records,
    unpack,
)
from momentum_node.errors import ProtocolError

RECORDS = st.builds(
    Record,
    kind=st.sampled_from(Kind),
    id=st.integers(0, 2**32 - 1),
    epoch=st.integers(0, 2**32 - 1),
    errno=st.integers(0, 2**32 - 1),
    address=st.one_of(st.just(b""), st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16)),
    prefix_length=st.just(0),
    interface=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=15),
    port=st.integers(0, 65535),
    backlog=st.integers(0, 65535),
    mac=st.binary(min_size=6, max_size=6),
    flags=st.integers(0, 255),
    number=st.integers(0, 2**32 - 1),
)


@given(RECORDS)
def test_what_is_packed_is_read(record: Record) -> None:
    data = record.pack()
    assert len(data) == RECORD_BYTES
    assert unpack(data) == record


def test_the_bytes_are_where_the_table_says() -> None:
    record = Record(Kind.OPEN, id=7, epoch=3, address=bytes((192, 0, 2, 41)), prefix_length=32, interface="eth0")
    data = record._replace(port=25, backlog=9, mac=b"\2\0\0\0\0\1", flags=1, number=5).pack()
    assert data[:4] == bytes((1, 6, 4, 32))
    assert data[4:16] == bytes.fromhex("00000007 00000003 00000000")
    assert data[16:32] == bytes((192, 0, 2, 41)) + bytes(12)
    assert data[32:48] == b"eth0" + bytes(12)
    assert data[48:52] == bytes((0, 25, 0, 9))
    assert data[52:60] == b"\2\0\0\0\0\1\1\0"
    assert data[60:] == bytes((0, 0, 0, 5))


@pytest.mark.parametrize(
    ("offset", "value", "why"),
    [(0, 2, "version 2"), (1, 31, "kind 31"), (2, 5, "family 5"), (3, 33, "prefix length 33"), (32, 200, "kind 2")],
)
def test_a_record_that_we_do_not_make_is_refused(offset: int, value: int, why: str) -> None:
    data = bytearray(Record(Kind.ADD, address=bytes(4), interface="eth0").pack())
    pack_into("B", data, offset, value)
    with pytest.raises(ProtocolError, match=why):
        unpack(bytes(data))


@pytest.mark.parametrize("size", [1, 63, 65])
def test_another_length_is_refused(size: int) -> None:
    with pytest.raises(ProtocolError, match="64 bytes"):
        unpack(bytes(size))


def test_a_descriptor_travels_with_its_record() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reading, writing = os.pipe()
    with ours, theirs:
        send_records(ours, [Record(Kind.REPLY, id=1)], writing)
        os.close(writing)
        received = receive_records(theirs)
        assert received is not None
        (record,), descriptor = received
        assert record.id == 1
        assert descriptor is not None
        os.write(descriptor, b"here")
        os.close(descriptor)
        assert os.read(reading, 10) == b"here"
        os.close(reading)
        ours.close()
        assert receive_records(theirs) is None


def test_a_packet_carries_many_records() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        records = [Record(Kind.REPLY, id=number) for number in range(PACKET_RECORDS)]
        send_records(ours, records)
        assert receive_records(theirs) == (records, None)


@pytest.mark.parametrize("size", [1, RECORD_BYTES + 1, (PACKET_RECORDS + 1) * RECORD_BYTES])
def test_a_packet_of_another_size_is_refused(size: int) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.send(Record(Kind.HEARTBEAT).pack() * (size // RECORD_BYTES) + bytes(size % RECORD_BYTES))
        with pytest.raises(ProtocolError, match="a packet of"):
            receive_records(theirs)


def test_a_refused_packet_leaves_no_descriptor_open() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reading, writing = os.pipe()
    with ours, theirs:
        send_records(ours, [Record(Kind.REPLY, id=1), Record(Kind.REPLY, id=2)], writing)
        os.close(writing)
        with pytest.raises(ProtocolError, match="with a descriptor"):
            receive_records(theirs)
        assert os.read(reading, 1) == b""
        os.close(reading)
