"""The process beside Corosync that keeps one broken pair from stopping everybody's ring. The driver of `resolver.py`.

    a word of ours each 0.4 s  ──> group of its own on the ring ──> back to us?   \\
    cmap: links, rings formed                                                      > symptoms ──> our row
    UDP, the ring's port + 1   <──> rows of the others                            ──> resolver ──> SIGUSR1, SIGUSR2

It is a child of the bus container's first process, which stops Corosync when this one sends SIGUSR1 and starts it again
after SIGUSR2, or when this one is gone. It ends when its files change: its parent starts it with the new ones.
"""

import asyncio
import contextlib
import os
import secrets
import signal
import sys
from dataclasses import replace
from pathlib import Path

from momentum_node.bus import ringfiles
from momentum_node.bus.contract import BusEvent, Delivered, IdentityTaken, Lost
from momentum_node.bus.corosync import CorosyncBus
from momentum_node.bus.resolver import Act, Patience, Resolver, Verdict
from momentum_node.bus.ringfiles import RingFiles
from momentum_node.bus.ringwatch import read_ring
from momentum_node.bus.rows import Rows, derived_key
from momentum_node.bus.symptoms import Symptoms
from momentum_node.clock import monotonic, timestamp
from momentum_node.errors import BusError
from momentum_node.logpipe import STDOUT, log_pipe

GROUP = "momentum.pulse"
TICK_S = 0.2
PULSE_S = 0.4
LOOK_S, LOOK_CLOSELY_S = 1.0, 0.25
SUSPICIOUS_S = 0.6
FILES_S = 5.0
RECONNECT_S = 0.5


class Resolving(asyncio.DatagramProtocol):
    """One per process; also the receiving end of the rows."""

    def __init__(self, own_id: int, files: RingFiles) -> None:
        self._own_id = own_id
        self._files = files
        timing, listed = files.timing, frozenset(files.addresses)
        patience = Patience(timing.resolver_ms / 1000, timing.self_drop_ms / 1000)
        key = derived_key(files.key, files.cluster)
        self._symptoms = Symptoms(patience.resolver_s)
        self._rows = Rows(own_id, listed, secrets.randbits(63), key)
        self._resolver = Resolver(own_id, listed, patience)
        self._transport: asyncio.DatagramTransport | None = None
        self._bus: CorosyncBus | None = None
        self._is_under_way = False
        self._pulse_due = 0.0
        self._said = Verdict(Act.NOTHING)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._rows.take(data, monotonic())

    def error_received(self, exc: Exception) -> None:
        """A host that is not there, or a cut link: its silence says it."""

    async def run(self) -> None:
        """Until cancelled. Raises `IdentityTaken` (see there) and OSError when the port is in use."""
        own = (self._files.addresses[self._own_id], self._files.port + 1)
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, local_addr=own)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_pulse())
            group.create_task(self._keep_looking())
            group.create_task(self._keep_judging())

    # -- what is seen ----------------------------------------------------------------------------

    async def _keep_pulse(self) -> None:
        while True:
            if not self._resolver.is_out:
                await self._membership()
            await asyncio.sleep(RECONNECT_S)

    async def _membership(self) -> None:
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def on_event(event: BusEvent) -> None:
            if isinstance(event, Lost) and not over.done():
                over.set_result(None)
            if isinstance(event, Delivered) and event.sender == bus.local:
                self._is_under_way = False
                self._symptoms.came_back(monotonic())

        bus = CorosyncBus(self._own_id)
        try:
            await bus.connect(GROUP, on_event)
            self._is_under_way, self._bus = False, bus
            await over
        except IdentityTaken:
            raise
        except BusError:
            pass  # not there, or not a ring yet: silence says it
        finally:
            self._bus = None
            bus.abort()

    async def _keep_looking(self) -> None:
        while True:
            try:
                status = await read_ring(self._own_id)
            except BusError:
                status = None
            self._symptoms.read(status, monotonic())
            is_suspicious = self._symptoms.silence(monotonic()) > SUSPICIOUS_S
            await asyncio.sleep(LOOK_CLOSELY_S if is_suspicious else LOOK_S)

    # -- what is said and done -------------------------------------------------------------------

    async def _keep_judging(self) -> None:
        while True:
            now = monotonic()
            self._symptoms.tick(now)
            self._pulse(now)
            self._tell(now)
            self._judge(now)
            await asyncio.sleep(TICK_S)

    def _pulse(self, now: float) -> None:
        """Never a second one on its way: a ring that forms is not to be flooded."""
        if self._bus is not None and not self._is_under_way and now >= self._pulse_due:
            self._is_under_way, self._pulse_due = True, now + PULSE_S
            with contextlib.suppress(BusError):
                self._bus.send(b"")

    def _tell(self, now: float) -> None:
        own = self._symptoms.row(self._own_id, now)
        if self._resolver.is_out:
            own = replace(own, is_stuck=False, is_away=True)
        data = self._rows.datagram(own, now)
        for node_id, address in self._files.addresses.items():
            if node_id != self._own_id and self._transport is not None:
                self._transport.sendto(data, (address, self._files.port + 1))

    def _judge(self, now: float) -> None:
        silence = self._symptoms.silence(now)
        verdict = self._resolver.judge(self._rows.rows(now), silence, self._rows.hears(now), now)
        if verdict == self._said:
            return
        self._said = verdict
        if verdict.act not in (Act.NOTHING, Act.STAY_OUT):
            _say(f"{verdict.act.name.lower().replace('_', ' ')}: {verdict.reason}")
        if verdict.act is Act.LEAVE:
            os.kill(os.getppid(), signal.SIGUSR1)
        if verdict.act is Act.RETURN:
            os.kill(os.getppid(), signal.SIGUSR2)


async def _until_over(conf: Path, files: RingFiles, parent: int) -> None:
    """Returns when the parent is gone or the files are others."""
    elapsed = 0.0
    while os.getppid() == parent:
        await asyncio.sleep(TICK_S)
        elapsed += TICK_S
        if elapsed >= FILES_S:
            elapsed = 0.0
            with contextlib.suppress(BusError):
                if await asyncio.to_thread(ringfiles.read, conf) != files:
                    return


async def resolve(conf: Path, own_id: int) -> None:
    """Do this for the node `own_id` of the ring in `conf`, until there is a reason to start anew."""
    parent = os.getppid()
    files = ringfiles.read(conf)
    working = asyncio.create_task(Resolving(own_id, files).run())
    ending = asyncio.create_task(_until_over(conf, files, parent))
    await asyncio.wait({working, ending}, return_when=asyncio.FIRST_COMPLETED)
    ending.cancel()
    working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working


def _say(text: str) -> None:
    log_pipe(STDOUT).write(f"{timestamp()} resolver: {text}\n")


def main(conf: str, own_id: str) -> int:
    """The exit code: 0 when it ended on purpose."""
    failed = False
    try:
        asyncio.run(resolve(Path(conf), int(own_id)))
    except* (BusError, OSError) as errors:
        _say(f"cannot go on: {errors.exceptions[0]}")
        failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
