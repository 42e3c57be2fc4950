"""Frames between the core and a mail worker."""

import os
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from momentum_node import worker_link as wire
from momentum_node.errors import ProtocolError
from momentum_node.findings import HostRests, Inquire, Knows, LookupFails

FRAMES: list[wire.Frame] = [
    wire.Hello(0, 42),
    wire.Heartbeat(accepting=True, sessions=1, queued=2, received=3, delivered=4, failed=5),
    wire.Quiet("198.18.0.41"),
    wire.Released("198.18.0.41"),
    wire.Welcome("n1", 1),
    wire.Listen("198.18.0.41", 25, duravip=True),
    wire.Unlisten("", 25),
    wire.AddressGained("2001:db8::1"),
    wire.AddressLeaves("198.18.0.41", 2.5),
    wire.AddressLost("198.18.0.41", 5.0),
    wire.Turn(7, "Pathway:shop", 10, 60),
    wire.YourTurn(7, 2.5),
    HostRests("192.0.2.1", 120.0, 451, "4.4.1", "[internal] Connection refused", 3),
    LookupFails("y.test", 3, 1),
    wire.Reload("abc"),
    wire.Refresh("y.test"),
    Inquire(3, "y.test"),
    Knows(3, "{}"),
    wire.Owned("n2", b"\xc6\x12\0\x29", b""),
    wire.Serves(1, 4),
    wire.Dial(3, "n2", 1, 8),
    wire.Dialled(3),
    wire.NotDialled(3, "n2 refuses"),
    wire.Visit("n2", 1),
]


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: type(frame).__name__)
def test_a_frame_arrives_as_it_was_sent(frame: wire.Frame, pair: tuple[socket.socket, socket.socket]) -> None:
    wire.send_frame(pair[0], frame)
    assert wire.receive_frame(pair[1]) == (frame, None)


def test_a_listening_socket_travels_with_its_frame(pair: tuple[socket.socket, socket.socket]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        wire.send_frame(pair[0], wire.Listen("127.0.0.1", 25, duravip=False), listening.fileno())
        received = wire.receive_frame(pair[1])
        assert received is not None
        descriptor = received[1]
        assert descriptor is not None
        with socket.socket(fileno=descriptor) as copy:
            assert copy.getsockname() == listening.getsockname()


def test_the_end_of_the_other_side_is_told(pair: tuple[socket.socket, socket.socket]) -> None:
    pair[0].close()
    assert wire.receive_frame(pair[1]) is None


def test_a_frame_that_is_too_long_is_refused_not_cut(pair: tuple[socket.socket, socket.socket]) -> None:
    pair[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    pair[0].send(os.urandom(wire.MAX_FRAME_BYTES + 1))
    with pytest.raises(ProtocolError):
        wire.receive_frame(pair[1])


@given(st.binary(max_size=200))
def test_any_other_bytes_are_a_protocol_error(data: bytes) -> None:
    try:
        frame = wire.decode(data)
    except ProtocolError:
        return
    assert wire.decode(wire.encode(frame)) == frame
