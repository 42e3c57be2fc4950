"""The production engine: Corosync's closed process groups, driven by the event loop.

    on_event  <──  ViewCollector  <──  Cpg.dispatch  <──  fd readable
    send      ──>  SendQueue      ──>  Cpg.send           (TRY_AGAIN: again after the next dispatch or `RETRY_S`)

Calls that wait for the daemon (initialize, join, leave, finalize) run in threads of their own, which are left behind
when the daemon is frozen: the loop never waits for it. Nothing is decided here; views are made in `views.py`.
"""

import asyncio
import os
from collections.abc import Callable

from momentum_node.bus.blocking import begin_thread, in_thread
from momentum_node.bus.callbacks import Callback as CpgCallback
from momentum_node.bus.contract import BusEvent, Delivered, IdentityTaken, Lost, Member
from momentum_node.bus.libcpg import Cpg, CpgError, Status
from momentum_node.bus.sendqueue import SendQueue
from momentum_node.bus.views import ViewCollector
from momentum_node.errors import BusError

CALL_TIMEOUT_S = 5.0
LEAVE_TIMEOUT_S = 2.0
EXIST_PATIENCE_S = 1.0
"""An earlier handle of ours may still be closing; a real second process with our pid stays longer than this."""
RETRY_S = 0.01
DISPATCH_LIMIT = 64
"""Callbacks handled in one go, so that a flood of messages does not starve the rest of the loop."""


class CorosyncBus:
    """`Bus` on the Corosync of this host (of this network namespace, unless libqb uses files)."""

    def __init__(self, node_id: int) -> None:
        """`node_id` is what the node list says; `connect` refuses a Corosync that runs with another one."""
        self._node_id = node_id
        self._queue = SendQueue()
        self._cpg: Cpg | None = None
        self._local: Member | None = None
        self._collector: ViewCollector | None = None
        self._group = ""
        self._fd = -1
        self._retry: asyncio.TimerHandle | None = None
        self._drained: asyncio.Event | None = None
        self._on_event: Callable[[BusEvent], None] = lambda _: None

    @property
    def local(self) -> Member:
        """Who we are: Corosync's node id and our pid."""
        if self._local is None:
            raise BusError("not connected to the bus")
        return self._local

    async def connect(self, group: str, on_event: Callable[[BusEvent], None]) -> None:
        """As `Bus.connect`; gives up after `CALL_TIMEOUT_S`."""
        if self._local is not None:
            raise BusError("a bus object connects once: make a new one")
        cpg = await in_thread("connecting", Cpg, CALL_TIMEOUT_S, abandon=_finalize)
        try:
            await self._check_node_id(cpg)
            await _join(cpg, group)
            self._fd = cpg.fileno()
        except BaseException:
            _finalize(cpg)
            raise
        self._cpg, self._group, self._on_event = cpg, group, on_event
        self._local = Member(self._node_id, os.getpid())
        self._collector = ViewCollector(self._local)
        asyncio.get_running_loop().add_reader(self._fd, self._dispatch)

    async def _check_node_id(self, cpg: Cpg) -> None:
        found = await in_thread("cpg_local_get", cpg.local_node_id, CALL_TIMEOUT_S)
        if found != self._node_id:
            raise BusError(f"Corosync here runs with node id {found}, the node list says {self._node_id}: reload it")

    def send(self, data: bytes) -> None:
        """As `Bus.send`."""
        if self._cpg is None:
            raise BusError("not connected to the bus")
        self._queue.put(data)
        self._hand_over()

    async def leave(self) -> None:
        """As `Bus.leave`. Waits at most `LEAVE_TIMEOUT_S` for what is queued, and as long again for the daemon."""
        cpg = self._cpg
        if cpg is None:
            return
        self._on_event = lambda _: None
        self._drained = asyncio.Event()
        if len(self._queue) == 0:
            self._drained.set()
        try:
            await asyncio.wait_for(self._drained.wait(), LEAVE_TIMEOUT_S)
            await in_thread("cpg_leave", lambda: cpg.leave(self._group), LEAVE_TIMEOUT_S)
        except (TimeoutError, BusError):
            pass  # closing the handle below ends the membership as well, as PROCDOWN
        finally:
            self.abort()

    def abort(self) -> None:
        """As `Bus.abort`."""
        cpg, self._cpg = self._cpg, None
        if cpg is None:
            return
        asyncio.get_running_loop().remove_reader(self._fd)
        if self._retry is not None:
            self._retry.cancel()
        if self._drained is not None:
            self._drained.set()
        _finalize(cpg)

    def _dispatch(self) -> None:
        if self._cpg is None:
            return
        try:
            callbacks = self._cpg.dispatch(DISPATCH_LIMIT)
        except CpgError as error:
            self._lose(str(error))
            return
        for callback in callbacks:
            self._tell(callback)
        self._hand_over()

    def _tell(self, callback: CpgCallback) -> None:
        if self._cpg is None or self._collector is None:  # on_event may have let go of us
            return
        event = self._collector.feed(callback)
        if isinstance(event, Delivered) and event.sender == self._local:
            self._queue.came_back()
            if len(self._queue) == 0 and self._drained is not None:
                self._drained.set()
        if event is not None:
            self._on_event(event)

    def _hand_over(self) -> None:
        """Give Corosync what it takes; come back later for the rest."""
        while self._cpg is not None and (data := self._queue.head()) is not None:
            try:
                if not self._cpg.send(data):
                    self._hand_over_later()
                    return
            except CpgError as error:
                reason = str(error)
                asyncio.get_running_loop().call_soon(self._lose, reason)  # send() must return before Lost is told
                return
            self._queue.handed_over()

    def _hand_over_later(self) -> None:
        if self._retry is None or self._retry.when() <= asyncio.get_running_loop().time():
            self._retry = asyncio.get_running_loop().call_later(RETRY_S, self._hand_over)

    def _lose(self, reason: str) -> None:
        if self._cpg is None:
            return
        self.abort()
        self._on_event(Lost(reason))


async def _join(cpg: Cpg, group: str) -> None:
    """Join, with patience for an earlier membership of ours that still ends."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    patience: dict[int, float] = {Status.TRY_AGAIN: CALL_TIMEOUT_S, Status.EXIST: EXIST_PATIENCE_S}
    while True:
        try:
            return await in_thread("cpg_join", lambda: cpg.join(group), CALL_TIMEOUT_S)
        except CpgError as error:
            if loop.time() - started >= patience.get(error.code, 0.0):
                raise IdentityTaken(str(error)) if error.code == Status.EXIST else error from None
        await asyncio.sleep(RETRY_S)


def _finalize(cpg: Cpg) -> None:
    begin_thread(cpg.finalize)
