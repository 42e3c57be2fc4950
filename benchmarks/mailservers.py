"""Mail servers for the benchmarks: this project's mail role and Postfix, each in a cgroup on one core, on one disk.

CPU is read from the cgroup (cpuacct of version 1, cpu.stat of version 2). A slower disk is made by a shared object that
lets every fsync and fdatasync take longer, in all processes of both servers alike.
"""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.postfix import furnished  # noqa: E402 - the tree must be found first

SERVER_CORE, CLIENT_CORE = 0, 1
SERVER, CLIENT, BOTH = frozenset({SERVER_CORE}), frozenset({CLIENT_CORE}), frozenset({SERVER_CORE, CLIENT_CORE})
MESSAGE_BYTES = 2048
_SLOW_SYNC = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
static void wait(void) { struct timespec t = {0, DELAY * 1000000L}; nanosleep(&t, 0); }
int fsync(int fd) { int (*real)(int) = dlsym(RTLD_NEXT, "fsync"); wait(); return real(fd); }
int fdatasync(int fd) { int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync"); wait(); return real(fd); }
"""
_POSTFIX = """
import_environment = MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LD_PRELOAD
export_environment = TZ MAIL_CONFIG LD_PRELOAD
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
default_process_limit = 200
default_destination_concurrency_limit = 32
initial_destination_concurrency = 20
"""
_HOLD = "smtpd_data_restrictions = check_client_access static:HOLD"


class Cgroup:
    """The CPU of a server and all its children."""

    def __init__(self, name: str, cores: frozenset[int] = SERVER) -> None:
        self._cores = cores
        version1 = Path("/sys/fs/cgroup/cpuacct")
        self._is_v1 = version1.is_dir()
        self.path = (version1 if self._is_v1 else Path("/sys/fs/cgroup")) / f"{name}-{os.getpid()}"
        self.path.mkdir()

    def enter(self) -> None:
        """For `preexec_fn`: put the calling process in, and on the server's cores."""
        (self.path / "cgroup.procs").write_text(str(os.getpid()))
        os.sched_setaffinity(0, self._cores)

    def cpu_s(self) -> float:
        """User and system time so far."""
        if self._is_v1:
            return int((self.path / "cpuacct.usage").read_text()) / 1e9
        words = (self.path / "cpu.stat").read_text().split()
        return int(words[words.index("usage_usec") + 1]) / 1e6

    def remove(self) -> None:
        """When all its processes have ended."""
        for _ in range(100):
            try:
                self.path.rmdir()
            except OSError:
                time.sleep(0.1)
            else:
                return


def free_port() -> int:
    """A port nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def slow_sync(folder: Path, delay_ms: int) -> dict[str, str]:
    """The environment in which every sync takes `delay_ms` longer."""
    if not delay_ms:
        return {}
    source, library = folder / "slow.c", folder / "slow.so"
    source.write_text(_SLOW_SYNC.replace("DELAY", str(delay_ms)))
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return {"LD_PRELOAD": str(library)}


def await_port(port: int) -> None:
    """Return when somebody accepts there. Raises `TimeoutError`."""
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"nobody listens on port {port}")


@contextmanager
def workspace() -> Iterator[Path]:
    """A folder on the disk that is measured."""
    folder = Path(tempfile.mkdtemp(prefix="mailbench-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postfix(folder: Path, port: int, delay_ms: int, sink: int | None) -> Iterator[Cgroup]:
    """Postfix: with a sink it relays, else everything goes to the hold queue."""
    group = Cgroup("bench-postfix")
    environment = {**os.environ, **slow_sync(folder, delay_ms)}
    relay, more = (f"[127.0.0.1]:{sink}", _POSTFIX) if sink else ("", _POSTFIX + _HOLD)
    command = furnished(folder, port, relay, more)
    master = subprocess.Popen(command, env=environment, preexec_fn=group.enter)  # noqa: PLW1509 - one thread
    try:
        await_port(port)
        yield group
    finally:
        master.terminate()
        master.wait(30)
        group.remove()


@contextmanager
def ours(
    folder: Path,
    port: int,
    delay_ms: int,
    sink: int | None,
    workers: int = 1,
    options: str = "",
    cores: frozenset[int] = SERVER,
) -> Iterator[Cgroup]:
    """This project's core end, manager and workers: with a sink they relay, else delivery is suspended. `options`: of
    the listener."""
    group = Cgroup("bench-ours", cores)
    environment = {**os.environ, **slow_sync(folder, delay_ms)}
    command = [sys.executable, __file__, str(folder), str(port), str(sink or 9), str(workers), str(int(sink is None))]
    command.append(options)
    node = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, preexec_fn=group.enter)  # noqa: PLW1509
    try:
        await_port(port)
        time.sleep(3)  # imports of the workers are not what is measured
        yield group
    finally:
        assert node.stdin is not None
        node.stdin.close()
        node.wait(120)
        group.remove()


@contextmanager
def sink(cores: frozenset[int] = CLIENT) -> Iterator[int]:
    """Postfix's own sink on the client's core; its port."""
    port = free_port()
    command = [*_on(cores), "smtp-sink", "-u", "nobody", f"127.0.0.1:{port}", "500"]
    process = subprocess.Popen(command)
    try:
        await_port(port)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def _on(cores: frozenset[int]) -> list[str]:
    return ["taskset", "-c", ",".join(map(str, sorted(cores)))]


def submit(port: int, messages: int, sessions: int, cores: frozenset[int] = CLIENT) -> float:
    """Postfix's own load generator on the client's core; the seconds it took."""
    command = [*_on(cores), "smtp-source", "-s", str(sessions), "-m", str(messages), "-d"]
    command += ["-l", str(MESSAGE_BYTES), "-f", "a@x.test", "-t", "b@y.test", f"127.0.0.1:{port}"]
    began = time.monotonic()
    subprocess.run(command, check=True)
    return time.monotonic() - began


async def _serve(folder: Path, port: int, gateway: int, workers: int, is_suspended: bool, options: str) -> None:
    from tests.support.mailnode import MailNode  # noqa: PLC0415 - only in the server's process

    more = f"Suspend_Delivery = {str(is_suspended).lower()}"
    node = MailNode(folder, f"127.0.0.1:{gateway}", workers=workers, more=more, listener=options, port=port)
    await node.start()
    await asyncio.to_thread(sys.stdin.buffer.read)
    await node.stop()


if __name__ == "__main__":
    at, listen, relay_to, number, suspended, options = sys.argv[1:]
    asyncio.run(_serve(Path(at), int(listen), int(relay_to), int(number), suspended == "1", options))
