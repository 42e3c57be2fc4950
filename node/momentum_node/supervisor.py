"""The first process of the `node` container: the only one with privileges, and the one that sees the core die.

    core ──records──▶ supervisor ──netlink, ARP/NA, binds──▶ kernel          (duravip/records.py, duravip/executor.py)

It removes every address when the core ends, when nothing is heard from the core for a second (then it kills it, so that
the other nodes see it go), and when its own clock shows that it was stopped: kernel lifetimes may have run out, so what
we hold may be somebody else's. Then it starts the core again. It parses fixed-size records, netlink, ARP and neighbour
advertisements, and nothing else: one thread, one poll(2) loop, no call that waits for another process.
"""

import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import islice, takewhile
from pathlib import Path
from typing import Final

from momentum_node.clock import monotonic, timestamp
from momentum_node.descriptors import raise_limit
from momentum_node.duravip.executor import Executor
from momentum_node.duravip.journal import PlumbJournal
from momentum_node.duravip.leases import LateRenewal
from momentum_node.duravip.records import PACKET_RECORDS, Kind, Record, receive_records, send_records
from momentum_node.errors import DriverError, ProtocolError
from momentum_node.garbage import keep_searches_short
from momentum_node.logpipe import STDERR, log_pipe

STALL_S: Final = 1.0
"""Nothing heard from the core for so long, while it had a processor: its loop stands still (it says something every
100 ms)."""
EMPTY_S: Final = 5.0
"""So long a core that holds nothing may wait for a processor: with ten thousand addresses all nodes start at once."""
START_S: Final = 30.0
"""How long a new core may take until it says its first word; it holds nothing until then."""
STOP_S: Final = (
    95.0  # addresses are handed over for 30 s, then their mail for 60 s; a core that hangs is killed at once
)
"""How long the core may take to hand its addresses over after SIGTERM (cluster §2.13)."""
TICK_S: Final = 0.1
BATCH: Final = 256
OUTBOX_LIMIT: Final = 65_536
BACKOFF_S: Final = (0.1, 5.0)
STEADY_S: Final = 10.0
"""A core that ran for so long is started again at once."""


class Core:
    """One run of the core process, and our end of its socket."""

    def __init__(self, command: Sequence[str], now: float) -> None:
        self.sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self.sock, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self.sock.setblocking(False)
        theirs.set_inheritable(True)
        environment = {**os.environ, "MOMENTUM_SUPERVISOR_FD": str(theirs.fileno())}
        self.pid = os.posix_spawnp(
            command[0],
            list(command),
            environment,
            setsigdef=[signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE],
            setsigmask=[],
        )
        theirs.close()
        self.started = now
        self.heard = now
        self.has_spoken = False
        self.is_open = True
        self._waited, self._waited_at = 0.0, now

    def is_stalled(self, now: float, patience_s: float) -> bool:
        """It should have said something by now. What it waited for a processor is not its fault, up to `patience_s`."""
        silent = now - self.heard
        if not self.has_spoken or silent <= STALL_S:
            return silent > START_S
        return silent > patience_s or silent - (waited_for_processor_s(self.pid) - self._waited) > STALL_S

    def read(self, now: float) -> list[Record]:
        """What it asks for, about one batch. Raises `EOFError` when it closed its end, `ProtocolError`."""
        records: list[Record] = []
        with suppress(BlockingIOError):
            while len(records) < BATCH:
                received = receive_records(self.sock)
                if received is None:
                    raise EOFError
                packet, descriptor = received
                if descriptor is not None:
                    os.close(descriptor)
                    raise ProtocolError("the core sends no descriptors")
                records += packet
        if records:
            self.heard, self.has_spoken = now, True
            if now - self._waited_at >= TICK_S:
                self._waited, self._waited_at = waited_for_processor_s(self.pid), now
        return records


class Supervisor:
    """The loop. `command` starts a core; `alive` is touched each second, None = is not."""

    def __init__(
        self, command: Sequence[str], executor: Executor, alive: Path | None, clock: Callable[[], float] = monotonic
    ) -> None:
        self._command = command
        self._executor = executor
        self._alive = alive
        self._clock = clock
        self._poll = select.poll()
        self._wake, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, self._on_signal)
        for descriptor in (self._wake, *executor.filenos()):
            self._poll.register(descriptor, select.POLLIN)
        self._core: Core | None = None
        self._start_at = 0.0
        self._backoff = BACKOFF_S[0]
        self._stop_by: float | None = None
        self._code: int | None = None
        self._touched = 0.0

    def run(self) -> int:
        """Until SIGTERM and the end of the core; its exit code, or 1 when it had to be killed."""
        removed = self._executor.clean()
        if removed:
            _say("warning", "removed addresses that an earlier run left", count=removed)
        try:
            return self._turns()
        finally:  # also when one of us made a mistake: better no address than one that nobody looks after
            self._executor.give_up_all()
            self._executor.listeners.close_all()
            if self._core is not None:
                self._kill("the supervisor ends")

    def _turns(self) -> int:
        looked = self._clock()
        while self._code is None:
            now = self._sleep()
            late = now - looked > self._executor.leases.patience_s
            looked = now
            if late:
                self._isolate("this process was stopped, or starved of the processor")
            self._pass(now)
            if self._clock() - now > self._executor.leases.patience_s:
                self._isolate("this process was stopped while it asked the kernel")
                looked = self._clock()
        return self._code

    # -- one turn --------------------------------------------------------------------------------

    @property
    def _patience_s(self) -> float:
        """How long addresses may stay with a core that nobody hears: half of their lease, after which others ask."""
        leases = self._executor.leases
        return max(STALL_S, leases.patience_s) if len(leases) else EMPTY_S

    def _sleep(self) -> float:
        now = self._clock()
        due = self._executor.next_time(now)
        wait = TICK_S if due is None else min(TICK_S, max(0.0, due - now))
        if self._core is None:
            wait = min(wait, max(0.0, self._start_at - now))
        elif self._core.is_open:
            wants = select.POLLIN | (select.POLLOUT if self._executor.outbox else 0)
            self._poll.register(self._core.sock, wants)
        self._poll.poll(wait * 1000)
        with suppress(BlockingIOError):
            os.read(self._wake, 512)
        return self._clock()

    def _pass(self, now: float) -> None:
        self._reap(now)
        self._listen_to_core(now)
        self._executor.hear()
        self._renew(now)
        self._executor.tick(self._clock())
        self._answer()
        self._keep_core(now)
        self._touch(now)

    def _reap(self, now: float) -> None:
        """Collect ended children: as process 1 of a container, orphans of others too."""
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                if self._core is not None and pid == self._core.pid:
                    self._core_ended(os.waitstatus_to_exitcode(status), now)

    def _listen_to_core(self, now: float) -> None:
        if self._core is None or not self._core.is_open:
            return
        try:
            self._executor.execute(r for r in self._core.read(now) if r.kind is not Kind.HEARTBEAT)
        except (EOFError, OSError):
            self._hang_up()
        except ProtocolError as error:
            self._kill(str(error))

    def _renew(self, now: float) -> None:
        """Renewal is a proof of life passed on: without word from the core there is none to pass."""
        if self._core is None or not self._core.is_open or self._core.is_stalled(now, self._patience_s):
            return
        try:
            self._executor.renew(now)
        except LateRenewal:
            self._isolate("a renewal came too late")

    def _answer(self) -> None:
        outbox = self._executor.outbox
        if self._core is None or not self._core.is_open:
            return
        try:
            while outbox:
                records, descriptor = _packet(outbox)
                send_records(self._core.sock, records, descriptor)
                for _ in records:
                    outbox.popleft()
                if descriptor is not None:
                    os.close(descriptor)
        except BlockingIOError:
            if len(outbox) > OUTBOX_LIMIT:
                self._kill("it does not read its answers")
        except OSError:
            self._hang_up()

    def _keep_core(self, now: float) -> None:
        if self._core is None:
            if self._stop_by is not None:
                self._code = 0 if self._code is None else self._code
            elif now >= self._start_at:
                self._start(now)
        elif self._stop_by is not None and now > self._stop_by:
            self._code = 1
            self._kill(f"it did not end within {STOP_S:.0f} s")
        elif self._core.is_stalled(now, self._patience_s):
            self._kill(f"nothing was heard from it for {now - self._core.heard:.2f} s")
        elif now - self._core.started > START_S:
            self._executor.listeners.close_unclaimed()

    # -- the core's life -------------------------------------------------------------------------

    def _start(self, now: float) -> None:
        try:
            self._core = Core(self._command, now)
        except OSError as error:
            _say("error", "the core cannot be started", command=self._command[0], error=error)
            self._delay_start(now)
            return
        self._executor.greet()
        _say("info", "core started", pid=self._core.pid)

    def _kill(self, reason: str) -> None:
        """Addresses first: killing takes no time, but what follows it may."""
        if self._core is None:
            return
        removed = self._executor.give_up_all()
        with suppress(ProcessLookupError):
            os.kill(self._core.pid, signal.SIGKILL)
        _say("error", "core killed", pid=self._core.pid, reason=reason, removed=removed)
        self._forget(self._clock())

    def _hang_up(self) -> None:
        """The core is ending, or has: nothing waits for its last breath, but it may still draw it."""
        if self._core is None:
            return
        self._executor.give_up_all()
        self._poll.unregister(self._core.sock)
        self._core.is_open = False

    def _core_ended(self, code: int, now: float) -> None:
        began = self._clock()
        removed = self._executor.give_up_all()
        took_ms = (self._clock() - began) * 1000
        _say("info" if code == 0 else "error", "core ended", code=code, removed=removed, ms=f"{took_ms:.1f}")
        self._forget(now)
        if self._stop_by is not None:
            self._code = max(code, 0)

    def _forget(self, now: float) -> None:
        assert self._core is not None  # noqa: S101 - both callers looked
        if self._core.is_open:
            self._poll.unregister(self._core.sock)
        self._core.sock.close()
        if now - self._core.started > STEADY_S:
            self._backoff = BACKOFF_S[0]
        self._core = None
        self._delay_start(now)

    def _delay_start(self, now: float) -> None:
        self._start_at = now + self._backoff
        self._backoff = min(self._backoff * 2, BACKOFF_S[1])

    def _isolate(self, reason: str) -> None:
        _say("error", "every address was given up", reason=reason, count=len(self._executor.leases))
        self._executor.isolate()
        if self._core is not None:
            self._core.heard = self._clock()  # who slept cannot say that the other was silent

    def _on_signal(self, number: int, _frame: object) -> None:
        if number == signal.SIGCHLD or self._stop_by is not None:
            return
        self._stop_by = self._clock() + STOP_S
        if self._core is not None:
            with suppress(ProcessLookupError):
                os.kill(self._core.pid, signal.SIGTERM)

    def _touch(self, now: float) -> None:
        if self._alive is not None and now - self._touched >= 1:
            self._touched = now
            with suppress(OSError):
                self._alive.touch()


def waited_for_processor_s(pid: int) -> float:
    """How long it was able to run and did not, since it began (/proc/pid/schedstat, scheduler/sched-stats.rst)."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):  # a kernel without: then nothing excuses it
        return 0.0


def _packet(outbox: Iterable[tuple[Record, int | None]]) -> tuple[list[Record], int | None]:
    """What can leave together: the first with its descriptor, or those that have none."""
    (first, descriptor), *_ = islice(outbox, 1)
    if descriptor is not None:
        return [first], descriptor
    bare = takewhile(lambda each: each[1] is None, islice(outbox, PACKET_RECORDS))
    return [record for record, _ in bare], None


def run(command: Sequence[str]) -> int:
    """The process: `command` starts the core. Environment: MOMENTUM_RUN (default /run/momentum/node)."""
    directory = Path(os.environ.get("MOMENTUM_RUN", "/run/momentum/node"))
    keep_searches_short()
    raise_limit()  # each socket of each address is one here, and on its way through the core
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = _only_one_here()
        executor = Executor(PlumbJournal(directory / "plumbed"), monotonic)
        with lock:
            return Supervisor(command, executor, directory / "alive").run()
    except (OSError, DriverError) as error:
        _say("error", "the supervisor cannot work: it needs NET_ADMIN, NET_RAW and a place to write", error=error)
        return 1


def _only_one_here() -> socket.socket:
    """A name that one process of a network namespace can have (unix(7), abstract sockets), free again when it ends.

    Two supervisors would clean up each other's addresses (failover R24). Raises `DriverError` when another has it.
    """
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        lock.bind("\0momentum-supervisor")
    except OSError:
        lock.close()
        raise DriverError("another supervisor works in this network namespace: stop it first") from None
    return lock


def _say(level: str, event: str, **fields: object) -> None:
    """One log line."""
    pairs = {"timestamp": timestamp(), "level": level, "process": "supervisor", "event": event, **fields}
    line = " ".join(f"{key}={_quoted(str(value))}" for key, value in pairs.items())
    log_pipe(STDERR).write(f"{line}\n")


def _quoted(text: str) -> str:
    return f'"{text}"' if " " in text or not text else text


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
