"""The process behind the embedded engine: one ring on one host, joined through a Unix socket.

It holds nothing but the order. Whoever finds nobody listening starts it (`python -m momentum_node.bus.hub PATH`); the
lock file beside the socket makes it one. It lives until its last member is gone. When it dies all members see `Lost`,
connect again, and the first of them starts the next one; the death of a member is seen by the others at once.

Frames are msgpack arrays. Member to hub: [JOIN, group, node id, pid], [SEND, data], [LEAVE].
Hub to member: [REFUSED, text], [GROUP, members, left, joined], [RING, node ids], [MESSAGE, node id, pid, data].
"""

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any, cast

import msgpack

from momentum_node.bus.callbacks import Callback, GroupChange, Message, Reason, RingChange
from momentum_node.bus.contract import Member
from momentum_node.bus.sequencer import AlreadyJoined, Entry, GroupLists, Joined, Left, Sent

JOIN, SEND, LEAVE, REFUSED, GROUP, RING, MESSAGE = range(7)
IDLE_S = 1.0
FIRST_MEMBER_S = 10.0  # a hub may be started ahead of its members
BACKLOG_BYTES = 64 << 20
"""A member that lets so much pile up does not run any more: it is cut off, as if it had died."""
STARTED, ANOTHER_HOST = 0, 3  # exit codes


class Hub:
    """Everybody's order and lists; connections come and go."""

    def __init__(self) -> None:
        self.lists = GroupLists()
        self.connections: list[Connection] = []

    def join(self, newcomer: "Connection", group: str, member: Member) -> None:
        """A node that is new is a change of the ring first; then the process joins."""
        before = self._ring()
        newcomer.group, newcomer.member = group, member
        entry = Joined(group, member)
        try:
            callback = self.lists.apply(entry)
        except AlreadyJoined as error:
            newcomer.member = None
            newcomer.write([REFUSED, str(error)])
            return
        self.connections.append(newcomer)
        self._tell_of_ring(before)
        self._tell(group, callback)
        newcomer.tell(RingChange(self._ring()))

    def apply(self, entry: Entry) -> None:
        """The next entry in the order."""
        self._tell(entry.group, self.lists.apply(entry))

    def gone(self, connection: "Connection", reason: Reason) -> None:
        """A member left, or its process died."""
        if connection not in self.connections or connection.member is None:
            return
        before = self._ring()
        self.connections.remove(connection)
        self.apply(Left(connection.group, connection.member, reason))
        self._tell_of_ring(before)

    def _ring(self) -> frozenset[int]:
        return frozenset(connection.member.node_id for connection in self.connections if connection.member)

    def _tell_of_ring(self, before: frozenset[int]) -> None:
        if (ring := self._ring()) != before:
            for connection in self.connections:
                connection.tell(RingChange(ring))

    def _tell(self, group: str, callback: Callback | None) -> None:
        if callback is not None:
            for connection in [one for one in self.connections if one.group == group]:
                connection.tell(callback)


class Connection(asyncio.Protocol):
    """One member of one group."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._unpacker = msgpack.Unpacker()
        self._transport: asyncio.Transport | None = None
        self.group = ""
        self.member: Member | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one without saying so
        self._transport.set_write_buffer_limits(high=BACKLOG_BYTES)

    def data_received(self, data: bytes) -> None:
        self._unpacker.feed(data)
        for frame in self._unpacker:
            self._on_frame(frame)

    def connection_lost(self, exc: Exception | None) -> None:
        self._hub.gone(self, Reason.PROCDOWN)

    def pause_writing(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def tell(self, callback: Callback) -> None:
        """Write a callback to the member."""
        match callback:
            case GroupChange(members, left, joined):
                listed = [(member.node_id, member.pid) for member in members]
                self.write([GROUP, listed, _with_reasons(left), _with_reasons(joined)])
            case RingChange(nodes):
                self.write([RING, sorted(nodes)])
            case Message(sender, data):
                self.write([MESSAGE, sender.node_id, sender.pid, data])

    def write(self, frame: list[Any]) -> None:
        """Write one frame."""
        if self._transport is not None:
            self._transport.write(msgpack.packb(frame))

    def _on_frame(self, frame: list[Any]) -> None:
        match frame:
            case [kind, str(group), int(node_id), int(pid)] if kind == JOIN and self.member is None:
                self._hub.join(self, group, Member(node_id, pid))
            case [kind, bytes(data)] if kind == SEND and self.member is not None:
                self._hub.apply(Sent(self.group, self.member, data))
            case _:  # LEAVE, or somebody who speaks out of turn
                self._hub.gone(self, Reason.LEAVE)
                if self._transport is not None:
                    self._transport.close()


def _with_reasons(changes: tuple[tuple[Member, Reason], ...]) -> list[tuple[int, int, int]]:
    return [(member.node_id, member.pid, int(reason)) for member, reason in changes]


async def serve(listener: socket.socket) -> None:
    """Serve until nobody has been connected for `IDLE_S` (for `FIRST_MEMBER_S` at the start)."""
    hub = Hub()
    loop = asyncio.get_running_loop()
    server = await loop.create_unix_server(lambda: Connection(hub), sock=listener)
    idle_since = loop.time() + FIRST_MEMBER_S - IDLE_S
    while loop.time() - idle_since < IDLE_S:
        await asyncio.sleep(IDLE_S / 4)
        if hub.connections:
            idle_since = loop.time()
    server.close()


def main(path: Path) -> int:
    """Become the hub of `path` in the background, unless there is one. Returns when it can be connected to."""
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock, 64, 0).decode().split()
        return STARTED if holder[:1] in ([], [boot]) else ANOTHER_HOST
    os.truncate(lock, 0)
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        os.umask(0o177)
        listener.bind(str(path))
        listener.listen(64)
        if os.fork() == 0:  # the lock and the listener go along
            os.setsid()
            os.pwrite(lock, f"{boot} {os.getpid()}\n".encode(), 0)
            _let_go_of_all_but(lock, listener.fileno())
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            asyncio.run(serve(listener))
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
    return STARTED


def _let_go_of_all_but(*kept: int) -> None:
    """Whoever reads the output of our starter must see its end (uvloop passes copies of its streams on as well)."""
    low = 3
    for descriptor in (*sorted(kept), os.sysconf("SC_OPEN_MAX")):
        os.closerange(low, descriptor)
        low = descriptor + 1
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
