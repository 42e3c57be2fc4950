"""The worker manager: starts the mail workers, starts them again when they end, kills those that hang.

It opens no mail and no socket. As root outside a container it starts them as `Security.user`.
"""

import os
import pwd
import selectors
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from momentum_node import clock, generation, log, settings
from momentum_node.config.model import NodeConfiguration
from momentum_node.errors import ConfigurationError
from momentum_node.spool.message import MAX_SHARDS

SILENCE_S: Final = 10.0
START_S: Final = 60.0  # until its first word: a busy machine takes long to start one, and killing it helps nobody
RESTART_S: Final = 0.2
MAX_RESTART_S: Final = 5.0  # of a worker that ends again and again
STOP_LIMIT_S: Final = 140.0  # the core's hand-over 95 s, sessions 5 s, deliveries in hand 30 s, the last sync


@dataclass(slots=True, eq=False)
class _Child:
    process: "subprocess.Popen[bytes]"
    alive: int  # our end of its pipe
    heard: float
    started: float


class Manager:
    """All workers of a node."""

    def __init__(self, count: int, identity: dict[str, object]) -> None:
        self._count = count
        self._identity = identity
        self._children: dict[int, _Child] = {}
        self._restart_at: dict[int, float] = dict.fromkeys(range(count), 0.0)
        self._restart_after = dict.fromkeys(range(count), RESTART_S)
        self._selector = selectors.DefaultSelector()
        self._is_stopping = False

    def run(self) -> None:
        """Until SIGTERM."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop_soon)
        while not self._is_stopping:
            self._start_due()
            self._listen(RESTART_S)
            self._look()
        self._stop()

    def _stop_soon(self, _number: int, _frame: FrameType | None) -> None:
        self._is_stopping = True

    def _start_due(self) -> None:
        now = clock.monotonic()
        for index, due in list(self._restart_at.items()):
            if due <= now:
                del self._restart_at[index]
                self._start(index)

    def _start(self, index: int) -> None:
        ours, theirs = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        environment = {
            **os.environ,
            "MOMENTUM_ALIVE_FD": str(theirs),
            "MOMENTUM_MAIL_WORKERS": str(self._count),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "momentum_node", "worker", "--index", str(index)],
            env=environment,
            pass_fds=[theirs],
            **self._identity,  # type: ignore[call-overload]
        )
        os.close(theirs)
        now = clock.monotonic()
        self._children[index] = _Child(process, ours, now, now)
        self._selector.register(ours, selectors.EVENT_READ, index)

    def _listen(self, limit_s: float) -> None:
        for key, _ in self._selector.select(limit_s):
            child = self._children[key.data]
            if os.read(child.alive, 4096):
                child.heard = clock.monotonic()
            else:  # its end is closed: it is ending
                self._selector.unregister(child.alive)

    def _look(self) -> None:
        now = clock.monotonic()
        for index, child in list(self._children.items()):
            if child.process.poll() is not None:
                log.logger().warning("a mail worker ended", index=index, code=child.process.returncode)
                self._forget(index)
                self._restart_at[index] = now + self._pause(index, now - child.started)
            elif now - child.heard > (SILENCE_S if child.heard > child.started else START_S):
                log.logger().error("a mail worker hangs and is killed", index=index)
                child.process.kill()
                child.heard = now

    def _pause(self, index: int, lived_s: float) -> float:
        """How long to wait before a restart: longer each time, until a worker lives longer than that."""
        pause = RESTART_S if lived_s > MAX_RESTART_S else self._restart_after[index]
        self._restart_after[index] = min(pause * 2, MAX_RESTART_S)
        return pause

    def _forget(self, index: int) -> None:
        child = self._children.pop(index)
        if child.alive in {key.fd for key in self._selector.get_map().values()}:
            self._selector.unregister(child.alive)
        os.close(child.alive)

    def _stop(self) -> None:
        for child in self._children.values():
            child.process.terminate()
        deadline = clock.monotonic() + STOP_LIMIT_S
        for index, child in self._children.items():
            try:
                child.process.wait(max(0.1, deadline - clock.monotonic()))
            except subprocess.TimeoutExpired:
                log.logger().error("a mail worker did not end in time and is killed", index=index)
                child.process.kill()
                child.process.wait()


def worker_count(node: NodeConfiguration, asked: int | None) -> int:
    """How many workers: asked for, configured (`Mail_Workers`), else one for each CPU; at most 16."""
    return max(1, min(asked or node.mail_workers or len(os.sched_getaffinity(0)), MAX_SHARDS))


def _is_mapped(uid: int) -> bool:
    """Whether this user namespace knows `uid` at all."""
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        first, _, count = map(int, line.split())
        if first <= uid < first + count:
            return True
    return False


def worker_identity(node: NodeConfiguration) -> tuple[int, int] | None:
    """Uid and gid of the workers; None = as we are. Raises `ConfigurationError` when the user is not known."""
    user = node.security.user
    if os.geteuid() != 0 or user in {"root", "0"}:
        return None
    try:
        entry = pwd.getpwnam(user)
        uid, gid = entry.pw_uid, entry.pw_gid
    except KeyError:
        if user not in {"ecuser", str(settings.MAIL_UID)}:
            raise ConfigurationError(f"Security user {user!r} does not exist on this host") from None
        uid, gid = settings.MAIL_UID, settings.MAIL_GID
    if not _is_mapped(uid):
        log.logger().info("notice", text=f"this user namespace has no uid {uid}: mail workers keep ours")
        return None
    if not _may_execute(sys.executable, uid, gid):
        why = f"uid {uid} may not run {sys.executable}"
        log.logger().info("notice", text=f"{why}: mail workers keep uid 0, without any capability")
        return None
    return uid, gid


def _may_execute(program: str, uid: int, gid: int) -> bool:
    """Whether `uid` reaches the interpreter: it may lie in root's own folder. Asked by a child that is `uid`."""
    command = ["/bin/sh", "-c", 'test -x "$1"', "sh", program]
    return subprocess.run(command, user=uid, group=gid, extra_groups=[], check=False).returncode == 0


def prepare_spool(base: Path, identity: tuple[int, int] | None) -> None:
    """Make the spool folder, and give it to the workers where we may."""
    base.mkdir(parents=True, exist_ok=True, mode=0o2770)
    if identity is None:
        return
    for path in (base, *base.rglob("*")):
        status = path.lstat()
        if (status.st_uid, status.st_gid) != identity:
            os.lchown(path, *identity)


def run_mail(workers: int | None) -> int:
    """Manager and workers until SIGTERM; returns the exit code."""
    log.configure("mail")
    try:
        own = settings.from_environment(os.environ)
        node = generation.wait(own).node
        identity = worker_identity(node)
        prepare_spool(Path(os.environ.get("MOMENTUM_SPOOL") or node.spool_base), identity)
    except (ConfigurationError, OSError) as error:
        log.logger().error("mail cannot start", reason=str(error))
        return 1
    as_whom: dict[str, object] = {}
    if identity is not None:
        as_whom = {"user": identity[0], "group": identity[1], "extra_groups": []}
    Manager(worker_count(node, workers), as_whom).run()
    return 0
