"""The core's end of the worker link: which mail workers there are, and what they were told.

Holds the open listening sockets, so that a worker that comes later, or again, gets all of them. Decides nothing
about addresses; says through `on_change` when the set of accepting workers becomes empty or not.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from momentum_node import worker_link as wire
from momentum_node.clock import monotonic
from momentum_node.config.model import Address
from momentum_node.errors import ProtocolError
from momentum_node.findings import Finding, Findings, Inquire, Knows
from momentum_node.framequeue import FrameQueue
from momentum_node.limits.desk import Desk
from momentum_node.limits.figures import Sums, total
from momentum_node.log import logger
from momentum_node.peer import accept, listen_for_frames
from momentum_node.status.report import MailReport

SILENCE_S = 1.0
"""No word for so long: the worker does not accept. Without any accepting worker the addresses are given up."""

SETTLED_S = 2 * wire.HEARTBEAT_INTERVAL_S
"""A word so much later than a view was told speaks of that view."""

ANSWER_SLACK_S = 0.5
"""How much longer than they may take we wait for the workers' answers: the sockets are shut down after it anyway."""

SERVED_PART = 0.5
"""Of the time that an address may take to leave: what takes long ends in it, and new clients are served."""


@dataclass(eq=False)
class Worker:
    """One connected mail worker."""

    sock: socket.socket
    outgoing: FrameQueue
    link: int  # number of the connection: a worker that comes back is another one
    index: int = -1
    heard: float = 0.0
    state: wire.Heartbeat = field(default_factory=lambda: wire.Heartbeat(False, 0, 0, 0, 0, 0))
    figures: wire.Figures | None = None
    owes: set[wire.Quiet | wire.Released] = field(default_factory=set)  # answers that it has not given yet

    def accepts(self, now: float) -> bool:
        """It said so, and recently."""
        return self.state.accepting and now - self.heard < SILENCE_S


@dataclass(frozen=True)
class OpenSocket:
    """A listening socket all workers share."""

    announcement: wire.Listen
    sock: socket.socket


class Workers:
    """All mail workers of the node. Implements the actuator's `Services`: start and stop mail on an address."""

    def __init__(self, node_name: str, node_id: int, uids: frozenset[int], on_change: Callable[[], None]) -> None:
        self._welcome = wire.Welcome(node_name, node_id)
        self._uids = uids
        self._on_change = on_change
        self._workers: list[Worker] = []
        self._open: dict[str, dict[int, OpenSocket]] = {}  # by address and port
        self._gained: set[str] = set()
        self._view: tuple[wire.Owned | wire.Members, ...] = ()
        self._awaited: dict[wire.Quiet | wire.Released, asyncio.Event] = {}  # done when nobody owes it any more
        self._listening: socket.socket | None = None
        self._links = 0
        self._findings = Findings()
        self._inquiries = 0
        self._asked: dict[tuple[int, int], asyncio.Future[str]] = {}  # (link, number)
        self.desk = Desk(self._answer)

    def listen(self, path: Path) -> None:
        """Wait for workers at `path` (mode 0666: who connects is checked by uid)."""
        self._listening = listen_for_frames(path)
        self.desk.open()
        asyncio.get_running_loop().add_reader(self._listening.fileno(), self._accept)

    def close(self) -> None:
        """End every connection; workers stop accepting and come back to the next core."""
        loop = asyncio.get_running_loop()
        if self._listening is not None:
            loop.remove_reader(self._listening.fileno())
            self._listening.close()
        for worker in list(self._workers):
            self._drop(worker, "the core stops")
        self.desk.close()
        for opened in self._sockets():
            opened.sock.close()
        self._open.clear()

    # -- what the actuator asks ------------------------------------------------------------------

    async def start(self, address: Address, sockets: list[tuple[int, socket.socket]]) -> None:
        """The address is on the NIC: accept on its sockets, deliver from its bindings."""
        self._gained.add(str(address))
        self._tell_all(wire.AddressGained(str(address)))
        for port, sock in sockets:
            self.open(wire.Listen(str(address), port, duravip=True), sock)

    async def leave(self, address: Address, grace_s: float) -> None:
        """Of what uses the address let that end which takes long; returns when it has. Clients are served as ever."""
        self._gained.discard(str(address))  # who starts now does not begin to send from it
        served_s = grace_s * SERVED_PART
        await self._all_answer(wire.AddressLeaves(str(address), served_s), wire.Quiet(str(address)), served_s)

    async def stop(self, address: Address, grace_s: float) -> None:
        """Let sessions on the address end within `grace_s`; returns when no worker uses it any more."""
        text = str(address)
        self._gained.discard(text)
        if grace_s > 0:
            await self._all_answer(wire.AddressLost(text, grace_s), wire.Released(text), grace_s)
        else:
            self._tell_all(wire.AddressLost(text, 0.0))
        for port in list(self._open.get(text, ())):
            self.unlisten(text, port)

    async def _all_answer(self, frame: wire.Frame, answer: wire.Quiet | wire.Released, within_s: float) -> None:
        for worker in self._workers:
            worker.owes.add(answer)
        self._tell_all(frame)
        has_come = self._awaited[answer] = asyncio.Event()
        self._answered(answer)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within_s + ANSWER_SLACK_S):
                    await has_come.wait()
        finally:
            self._awaited.pop(answer, None)

    def _answered(self, answer: wire.Quiet | wire.Released) -> None:
        """By somebody, who may have been the last."""
        waiting = self._awaited.get(answer)
        if waiting is not None and not any(answer in worker.owes for worker in self._workers):
            waiting.set()

    # -- plain listeners and generations ---------------------------------------------------------

    def open(self, announcement: wire.Listen, sock: socket.socket) -> None:
        """Give a listening socket to all workers, now and later."""
        self._open.setdefault(announcement.address, {})[announcement.port] = OpenSocket(announcement, sock)
        self._tell_all(announcement, sock.fileno())

    def has(self, address: str, port: int) -> bool:
        """Whether that listening socket is with the workers."""
        return port in self._open.get(address, ())

    def unlisten(self, address: str, port: int) -> None:
        """Take a listening socket back from all workers."""
        ports = self._open.get(address, {})
        opened = ports.pop(port, None)
        if not ports:
            self._open.pop(address, None)
        if opened is not None:
            self._tell_all(wire.Unlisten(address, port))
            opened.sock.close()

    def close_ports(self, wanted: Mapping[str, frozenset[int]]) -> None:
        """Take back what listens on one of these addresses at another port than its own: it has no listener there."""
        for address, ports in list(self._open.items()):
            for port in [port for port in ports if port not in wanted.get(address, ports)]:
                self.unlisten(address, port)

    def reload(self, digest: str) -> None:
        """A new generation was accepted: read it."""
        self._tell_all(wire.Reload(digest))

    def refresh(self, domain: str) -> int:
        """Let them ask the DNS again for the hosts of a routing domain, or of "all"; how many were told."""
        self._findings.forget_names()
        self._tell_all(wire.Refresh(domain.lower()))
        return len(self._workers)

    async def known_of(self, domain: str) -> list[str]:
        """What each of them knows of a routing domain (`Knows.text`); who does not answer in time is left out."""
        self._inquiries += 1
        number, loop = self._inquiries, asyncio.get_running_loop()
        asked = {(one.link, number): loop.create_future() for one in self._workers if one.index >= 0}
        self._asked.update(asked)
        self._tell_all(Inquire(number, domain.lower()))
        if asked:
            await asyncio.wait(asked.values(), timeout=SILENCE_S)
        for key in asked:
            del self._asked[key]
        return [answer.result() for answer in asked.values() if answer.done() and not answer.cancelled()]

    def tell_owners(self, view: tuple[wire.Owned | wire.Members, ...]) -> None:
        """Who owns which address (`mmove.owners.told`): workers move mail by it."""
        if view != self._view:
            self._view = view
            for frame in view:
                self._tell_all(frame)

    def _sockets(self) -> list[OpenSocket]:
        return [opened for ports in self._open.values() for opened in ports.values()]

    # -- what is known ---------------------------------------------------------------------------

    def are_accepting(self) -> bool:
        """Some worker takes mail now."""
        now = monotonic()
        return any(worker.accepts(now) for worker in self._workers)

    async def moved_all(self, limit_s: float) -> int:
        """Wait until no worker has mail for another node any more; how many messages are left after `limit_s`."""
        since, deadline = monotonic(), monotonic() + limit_s
        while monotonic() < deadline:
            late = [worker for worker in self._workers if worker.heard < since + SETTLED_S]
            if not late and not any(worker.state.moving for worker in self._workers):
                break
            await asyncio.sleep(wire.HEARTBEAT_INTERVAL_S / 2)
        return sum(worker.state.moving for worker in self._workers)

    def figures(self) -> Sums:
        """What changes all the time, summed over the connected workers."""
        known = [worker.figures for worker in self._workers if worker.figures is not None]
        return total(known, self.desk.denials)

    def report(self) -> MailReport:
        """Sums over the connected workers."""
        states = [worker.state for worker in self._workers]
        return MailReport(
            workers=len(states),
            accepting=self.are_accepting(),
            sessions=sum(state.sessions for state in states),
            queued=sum(state.queued for state in states),
            received=sum(state.received for state in states),
            delivered=sum(state.delivered for state in states),
            failed=sum(state.failed for state in states),
        )

    # -- the wire --------------------------------------------------------------------------------

    def _accept(self) -> None:
        assert self._listening is not None  # noqa: S101 - the reader is removed before it becomes None
        sock = accept(self._listening, self._uids, "refused a connection to the worker socket")
        if sock is None:
            return
        self._links += 1
        worker = Worker(sock, FrameQueue(sock), self._links)
        self._workers.append(worker)
        asyncio.get_running_loop().add_reader(sock.fileno(), self._read, worker)

    def _read(self, worker: Worker) -> None:
        try:
            received = wire.receive_frame(worker.sock)
        except BlockingIOError:
            return
        except (OSError, ProtocolError) as error:
            self._drop(worker, str(error))
            return
        if received is None:
            self._drop(worker, "it closed the connection")
            return
        frame, descriptor = received
        if descriptor is not None:
            os.close(descriptor)
        self._take(worker, frame)

    def _take(self, worker: Worker, frame: wire.Frame) -> None:
        accepted_before = self.are_accepting()
        worker.heard = monotonic()
        match frame:
            case wire.Hello(index=index):
                worker.index = index
                self._introduce(worker)
            case wire.Heartbeat():
                worker.state = frame
            case wire.Figures():
                worker.figures = frame
            case wire.Quiet() | wire.Released() | Knows():
                self._take_answer(worker, frame)
            case _ if isinstance(frame, Finding):
                self._pass_on(worker, frame)
            case _ if isinstance(frame, wire.Question):
                self.desk.hear(worker.link, frame)
            case _:
                self._drop(worker, f"a worker does not say {type(frame).__name__}")
        if accepted_before != self.are_accepting():
            self._on_change()

    def _take_answer(self, worker: Worker, frame: wire.Quiet | wire.Released | Knows) -> None:
        if not isinstance(frame, Knows):
            worker.owes.discard(frame)
            self._answered(frame)
            return
        answer = self._asked.get((worker.link, frame.number))
        if answer is not None and not answer.done():
            answer.set_result(frame.text)

    def _pass_on(self, finder: Worker, finding: Finding) -> None:
        self._findings.note(finding, finder.heard)
        for other in [one for one in self._workers if one is not finder]:
            self._tell(other, finding)

    def _introduce(self, worker: Worker) -> None:
        self._tell(worker, self._welcome)
        for frame in self._view:
            self._tell(worker, frame)
        for address in sorted(self._gained):
            self._tell(worker, wire.AddressGained(address))
        for opened in self._sockets():
            self._tell(worker, opened.announcement, opened.sock.fileno())
        for finding in self._findings.all(monotonic()):
            self._tell(worker, finding)

    def _answer(self, link: int, frame: wire.Answer) -> None:
        for worker in self._workers:
            if worker.link == link:
                self._tell(worker, frame)
                return

    def _tell_all(self, frame: wire.Frame, descriptor: int | None = None) -> None:
        for worker in [worker for worker in self._workers if worker.index >= 0]:
            self._tell(worker, frame, descriptor)

    def _tell(self, worker: Worker, frame: wire.Frame, descriptor: int | None = None) -> None:
        try:
            worker.outgoing.send(frame, descriptor)
        except OSError as error:  # a worker that does not read hangs: its manager kills it, we go on without it
            self._drop(worker, str(error))

    def _drop(self, worker: Worker, reason: str) -> None:
        if worker not in self._workers:
            return
        self._workers.remove(worker)
        asyncio.get_running_loop().remove_reader(worker.sock.fileno())
        worker.outgoing.close()
        worker.sock.close()
        for owed in worker.owes:
            self._answered(owed)
        for (link, _), answer in self._asked.items():
            if link == worker.link:
                answer.cancel()
        self.desk.gone(worker.link)
        logger().info("mail worker gone", index=worker.index, reason=reason)
        self._on_change()
