"""The first process of the bus container: it runs Corosync, starts it again when it ends, and passes SIGTERM on.

Beside it runs the resolver (`resolving.py`), at whose word Corosync is stopped and stays so for a while.

One line is printed for each thing that happens. Corosync takes SCHED_RR by itself (`sched_rr: yes`); where it may not,
nice -20 is what keeps load from looking like dead nodes, so that is set first.
"""

import os
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from momentum_node.bus import ringfiles, rivals
from momentum_node.bus.keyfiles import KeyFiles
from momentum_node.bus.resolverchild import LEAVE, RETURN, ResolverChild
from momentum_node.config.model import Address
from momentum_node.logpipe import STDOUT, log_pipe, never_wait

WAIT_S = 120.0
POLL_S = 0.5
REMIND_S = 10.0
STEADY_S = 10.0
"""A Corosync that ran so long did not fail at start: the next restart is immediate again."""
BACKOFF_S = (0.0, 0.25, 0.5, 1.0, 2.0)
STOP_S = 10.0
LEAVE_S = 1.0
"""A daemon that is to leave a ring that stands still may be unable to."""
RELOAD_S = 5.0
RIVAL_S = 5.0
RETRY_S = 2.0
NO_PRIORITY = "cannot set nice -20 (no SYS_NICE): under load nodes may look dead"

_STOP = {signal.SIGTERM, signal.SIGINT}
_SIGNALS = {*_STOP, signal.SIGCHLD, LEAVE, RETURN}


def run_corosync(conf: str, *, program: str = "corosync", wait_s: float = WAIT_S, keys: str | None = None) -> int:
    """Run `corosync -f -c CONF` until SIGTERM or SIGINT; the exit code.

    `keys`: the folder that the bus key comes from, stage by stage (`keystages.py`); None: it is where CONF says.
    0 after a signal; 1 when no address of this host is in the node list within `wait_s`; 127 without Corosync.
    """
    path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is None:
        _say(f"{program} is not installed (package corosync)")
        return 127
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    never_wait()  # Corosync writes its log between two tokens: it would stand still before a full pipe
    weakness = _raise_priority()
    outcome = _wait_for_own_address(Path(conf), wait_s)
    if outcome is not None:
        return outcome
    node = ringfiles.own_node(Path(conf))
    own_id = node[0] if node else None
    key_files = KeyFiles(Path(keys) if keys else None, Path(conf), own_id)
    resolver = ResolverChild(Path(conf), own_id, _SIGNALS)
    watch = _RivalWatch(Path(conf), node[1] if node else None, weakness)
    try:
        return _restart_until_asked([path, "-f", "-c", conf], resolver, key_files, watch)
    finally:
        resolver.stop()


def _restart_until_asked(command: list[str], resolver: ResolverChild, keys: KeyFiles, watch: "_RivalWatch") -> int:
    failures = 0
    while True:
        _make_state_dir(Path(command[-1]))
        if watch.stop_asked_while_in_the_way():
            return 0
        started = time.monotonic()
        keys.prepare(started)
        end = _run(command, resolver, keys, watch)
        if end.was_asked:
            _say(f"corosync ended ({end.how}) as asked")
            return 0
        if resolver.wants_out:
            _say(f"corosync ended ({end.how}): this node stays out of the ring")
            if _stop_asked_while_out(resolver):
                return 0
            continue
        failures = 0 if time.monotonic() - started >= STEADY_S else failures
        delay = BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
        failures += 1
        _say(f"corosync ended ({end.how}): starting it again {f'in {delay:g} s' if delay else 'now'}")
        if _stop_asked_within(delay):
            return 0


@dataclass(frozen=True)
class _End:
    how: str
    was_asked: bool


def _run(command: list[str], resolver: ResolverChild, keys: KeyFiles, watch: "_RivalWatch") -> _End:
    """One life of Corosync. Blocked signals are not inherited, or it could not be stopped."""
    files = _Files(Path(command[-1]), keys)
    pid = os.posix_spawn(command[0], command, os.environ, setsigmask=(), setsigdef=tuple(_SIGNALS))
    _say(f"corosync started, pid {pid}")
    kill_at: float | None = None
    was_asked = False
    while True:
        resolver.keep()
        watch.look_beside(time.monotonic())
        received = signal.sigtimedwait(_SIGNALS, POLL_S)
        resolver.heed(received)
        if kill_at is None and files.want_reload(time.monotonic()) and _reload(command[0]):
            files.reloaded()
        was_asked = was_asked or _is_stop(received)
        if kill_at is None and (was_asked or resolver.wants_out):
            _say(f"{signal.Signals(received.si_signo).name if received else 'resolver'}: stopping corosync")
            kill_at = time.monotonic() + (STOP_S if was_asked else LEAVE_S)
            os.kill(pid, signal.SIGTERM)
        if (status := _reap(pid, resolver)) is not None:
            return _End(_describe(status), was_asked)
        if kill_at is not None and time.monotonic() > kill_at:
            os.kill(pid, signal.SIGKILL)


def _stop_asked_while_out(resolver: ResolverChild) -> bool:
    """Returns when the ring may be tried again (False), or SIGTERM came."""
    while resolver.wants_out:
        received = signal.sigtimedwait(_SIGNALS, POLL_S)
        if _is_stop(received):
            return True
        resolver.heed(received)
        _reap(0, resolver)
    return False


def _is_stop(received: signal.struct_siginfo | None) -> bool:
    return received is not None and received.si_signo in _STOP


class _RivalWatch:
    """Another Corosync of this host: ours does not start beside it, and says so when it comes later."""

    def __init__(self, conf: Path, own: Address | None, weakness: str | None) -> None:
        self._conf, self._own, self._weakness = conf, own, weakness
        self._told: str | None = "nothing yet"  # so that what an earlier process published goes
        self._next = 0.0

    def stop_asked_while_in_the_way(self) -> bool:
        """Returns when nothing stands in the way of ours (False), or SIGTERM came."""
        rivals.publish(self._conf, self._weakness, rivals.PRIORITY)
        remind_at = 0.0
        while self._own is not None and (why := rivals.before_start(self._conf, self._own)) is not None:
            self._tell(why)
            if (now := time.monotonic()) >= remind_at:
                _say(f"corosync is not started: {why}")
                remind_at = now + REMIND_S
            if _stop_asked_within(POLL_S):
                return True
        self._tell(None)
        return False

    def look_beside(self, now: float) -> None:
        """While ours runs."""
        if self._own is None or now < self._next:
            return
        self._next = now + RIVAL_S
        why = rivals.while_running(self._conf, self._own)
        if why is not None and why != self._told:
            _say(why)
        self._tell(why)

    def _tell(self, why: str | None) -> None:
        if why != self._told:
            self._told = why
            rivals.publish(self._conf, why)


class _Files:
    """The configuration and the key: a mounted volume changes under a running daemon.

    While a key is being replaced on all nodes, a changed configuration waits until that is done.
    """

    def __init__(self, conf: Path, keys: KeyFiles) -> None:
        self._conf, self._keys = conf, keys
        self._loaded = self._seen = self._read()
        self._next = 0.0

    def want_reload(self, now: float) -> bool:
        """The ring is to be reloaded now. A file that is not there now has not changed."""
        self._seen = self._read() or self._seen
        is_due_for_key = self._keys.look(now)
        is_changed = self._seen != self._loaded and not self._keys.holds_back
        if not (is_due_for_key or is_changed) or now < self._next:
            return False
        self._next = now + RETRY_S  # in vain, and it is tried again so soon
        return True

    def reloaded(self) -> None:
        """The ring took up what was seen."""
        self._loaded, self._next = self._seen, 0.0
        self._keys.reloaded()

    def _read(self) -> tuple[bytes, ...] | None:
        paths = [self._conf]
        if not self._keys.are_kept_here:
            paths += map(Path, ringfiles.values(self._conf, "keyfile"))
        try:
            return tuple(path.read_bytes() for path in paths)
        except OSError:
            return None


def _reload(corosync: str) -> bool:
    """Have the whole ring take up its files (corosync-cfgtool(8), -R), without one membership event.

    Every node asks when it sees its own files change, so the last one to see them asks when all have them. True when
    it is done, or cannot be: then the files are used at the next start.
    """
    tool = shutil.which("corosync-cfgtool", path=str(Path(corosync).parent))
    if tool is None:
        _say("the configuration changed, but corosync-cfgtool is missing: it is used at the next start")
        return True
    _say("the configuration changed: reloading the ring")
    pid = os.posix_spawn(tool, [tool, "-R"], os.environ, setsigmask=(), setsigdef=tuple(_SIGNALS))
    deadline = time.monotonic() + RELOAD_S
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            if status:
                _say(f"corosync-cfgtool ended ({_describe(status)}): the ring was not reloaded; trying again")
            return status == 0
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    _say(f"corosync-cfgtool did not answer within {RELOAD_S:g} s; trying again")
    return False


def _reap(pid: int, resolver: ResolverChild) -> int | None:
    """Collect everything that ended (as pid 1 we inherit orphans); the wait status of `pid` if it is among them."""
    gone: dict[int, int] = {}
    while True:
        try:
            ended, code = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            ended = 0
        if ended == 0:
            resolver.ended(gone)
            return gone.get(pid)
        gone[ended] = code


def _describe(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"


def _stop_asked_within(seconds: float) -> bool:
    return signal.sigtimedwait(_STOP, seconds) is not None


def _wait_for_own_address(conf: Path, wait_s: float) -> int | None:
    """None when the node list names an address of this host; else the exit code to end with."""
    deadline = time.monotonic() + wait_s
    remind_at = 0.0
    while ringfiles.own_node(conf) is None:
        now = time.monotonic()
        if now >= deadline:
            _say(f"no address of this host is in the node list of {conf} after {wait_s:g} s: giving up")
            return 1
        if now >= remind_at:
            _say(f"waiting until the node list of {conf} names an address of this host")
            remind_at = now + REMIND_S
        if _stop_asked_within(POLL_S):
            return 0
    return None


def _make_state_dir(conf: Path) -> None:
    for directory in ringfiles.values(conf, "state_dir"):
        Path(directory).mkdir(mode=0o700, parents=True, exist_ok=True)


def _raise_priority() -> str | None:
    """What is wrong with it, if anything is."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    except PermissionError:
        _say(NO_PRIORITY)
        return NO_PRIORITY
    return None


def _say(text: str) -> None:
    log_pipe(STDOUT).write(f"bus: {text}\n")
