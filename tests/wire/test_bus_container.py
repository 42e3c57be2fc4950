"""The bus container's first process, with real Corosync and with programs that fail."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from momentum_node.bus import rivals
from momentum_node.config.corosync import RingNode, render
from tests.support.corosync import Corosync, alone, authkey, why_no_corosync
from tests.support.lab import Lab, why_no_lab

ROOT = Path(__file__).parents[2]
RUN = (
    "import sys; from momentum_node.bus.container import run_corosync as run;"
    " sys.exit(run(sys.argv[1], program=sys.argv[2], wait_s=float(sys.argv[3])))"
)


class Container:
    """`run_corosync` in a process of its own, with all that it printed."""

    def __init__(
        self,
        directory: Path,
        conf: str,
        program: str,
        wait_s: float = 5,
        prefix: Sequence[str] = (),
        output: int | None = None,
    ) -> None:
        self.conf = directory / "corosync.conf"
        self._log = directory / "container.log"
        if conf:
            self.conf.write_text(conf)
        command = [*prefix, sys.executable, "-c", RUN, str(self.conf), program, str(wait_s)]
        with self._log.open("wb") as log:
            out = log if output is None else output
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out, start_new_session=True)

    def text(self) -> str:
        return self._log.read_text(errors="replace")

    def says(self, text: str, times: int = 1) -> None:
        """Wait until it printed `text` so often."""
        until(lambda: self.text().count(text) >= times, self.text)

    def end(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self.process.wait(15)


def until(condition: Callable[[], bool], explain: Callable[[], str], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.02)


@pytest.fixture
def started() -> Iterator[list[Container]]:
    containers: list[Container] = []
    yield containers
    for container in containers:
        if container.process.poll() is None:
            container.process.kill()
            container.process.wait()


def program(directory: Path, body: str) -> str:
    path = directory / "daemon"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


HERE = render("c", [RingNode("n1", 1, "127.0.0.1")], state_dir="/tmp/unused-corosync-state")
ELSEWHERE = render("c", [RingNode("n1", 1, "192.0.2.1")])


def conf(directory: Path) -> str:
    return HERE.replace("/tmp/unused-corosync-state", str(directory / "state"))


def test_a_daemon_that_ends_is_started_again_at_once_and_then_ever_slower(
    tmp_path: Path, started: list[Container]
) -> None:
    container = Container(tmp_path, conf(tmp_path), program(tmp_path, "exit 7"))
    started.append(container)
    container.says("(exit code 7): starting it again in 0.5 s")
    assert container.text().index("starting it again now") < container.text().index("again in 0.25 s")
    assert container.end() == 0
    assert (tmp_path / "state").is_dir()


def test_sigterm_is_passed_on_and_awaited(tmp_path: Path, started: list[Container]) -> None:
    body = 'trap "echo goes; exit 0" TERM; echo up; while :; do sleep 0.05; done'
    container = Container(tmp_path, conf(tmp_path), program(tmp_path, body))
    started.append(container)
    container.says("up\n")
    assert container.end() == 0
    assert "goes\n" in container.text()
    assert "corosync ended (exit code 0) as asked" in container.text()


def test_orphans_are_collected(tmp_path: Path, started: list[Container]) -> None:
    """Pid 1 of a pid namespace inherits what the daemon leaves behind."""
    if os.geteuid() != 0:
        pytest.skip("a pid namespace needs root")
    body = '(sh -c "sleep 0.1" & ) ; echo up; while :; do sleep 0.05; done'
    prefix = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
    container = Container(tmp_path, conf(tmp_path), program(tmp_path, body), prefix=prefix)
    started.append(container)
    container.says("up\n")
    first = int(Path(f"/proc/{container.process.pid}/task/{container.process.pid}/children").read_text().split()[0])

    def has_zombie() -> bool:
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        try:
            states = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in children]
        except (FileNotFoundError, ProcessLookupError):  # collected since they were listed: look again
            return True
        return len(children) != 1 or "Z" in states

    until(lambda: not has_zombie(), container.text)
    os.kill(first, signal.SIGTERM)
    assert container.process.wait(15) == 0


def test_it_waits_until_the_node_list_names_this_host(tmp_path: Path, started: list[Container]) -> None:
    container = Container(tmp_path, ELSEWHERE, program(tmp_path, "echo up; exec sleep 60"), wait_s=30)
    started.append(container)
    container.says("waiting until the node list")
    assert "up\n" not in container.text()
    container.conf.write_text(conf(tmp_path))
    container.says("up\n")
    assert container.end() == 0


def test_it_gives_up_waiting_with_a_reason(tmp_path: Path, started: list[Container]) -> None:
    container = Container(tmp_path, "", program(tmp_path, "echo up"), wait_s=0.2)
    started.append(container)
    assert container.process.wait(15) == 1
    assert "no address of this host is in the node list" in container.text()


def test_without_corosync_it_says_so(tmp_path: Path, started: list[Container]) -> None:
    container = Container(tmp_path, conf(tmp_path), "no-such-program")
    started.append(container)
    assert container.process.wait(15) == 127
    assert "no-such-program is not installed (package corosync)" in container.text()


def test_beside_another_on_its_port_it_does_not_start_and_says_why(tmp_path: Path, started: list[Container]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        text = conf(tmp_path).replace("mcastport: 5405", f"mcastport: {port}")
        container = Container(tmp_path, text, program(tmp_path, "echo up; exec sleep 60"))
        started.append(container)
        container.says(f"corosync is not started: UDP 127.0.0.1 port {port} is taken by another process")
        until(lambda: rivals.published(container.conf) is not None, container.text)
        assert "up\n" not in container.text()
    container.says("up\n")
    until(lambda: rivals.published(container.conf) is None, container.text)
    assert container.end() == 0


@pytest.mark.netns
def test_beside_a_corosync_of_the_host_it_does_not_start(tmp_path: Path, started: list[Container]) -> None:
    if (reason := why_no_lab() or why_no_corosync()) is not None:
        pytest.skip(reason)
    with Lab() as lab:
        host = lab.add("n1", 1)
        key = str(authkey(tmp_path / "authkey"))
        ring = [RingNode("n1", 1, host.address)]
        theirs, ours = (
            render("c", ring, keyfile=key, port=port, state_dir=str(tmp_path / str(port))) for port in (5405, 5415)
        )
        with Corosync(host.namespace, tmp_path / "theirs", theirs) as rival:
            prefix = ("nsenter", f"--net=/run/netns/{host.namespace}", *alone(tmp_path / "pid"))
            container = Container(tmp_path, ours, "corosync", prefix=prefix)
            started.append(container)
            container.says("corosync is not started: another Corosync serves clients in this network (abstract socket")
            assert "corosync started" not in container.text()
            rival.kill()
        container.says("Completed service synchronization")
        assert container.end() == 0


def test_without_the_right_to_a_priority_it_runs_and_says_so(tmp_path: Path, started: list[Container]) -> None:
    without = ("setpriv", "--bounding-set=-sys_nice", "--inh-caps=-sys_nice") if os.geteuid() == 0 else ()
    container = Container(tmp_path, conf(tmp_path), program(tmp_path, "echo up; exec sleep 60"), prefix=without)
    started.append(container)
    container.says("up\n")
    assert "cannot set nice -20 (no SYS_NICE)" in container.text()
    assert rivals.published(container.conf, rivals.PRIORITY) is not None
    assert container.end() == 0


@pytest.mark.netns
def test_killed_corosync_is_back_within_a_second(tmp_path: Path, started: list[Container]) -> None:
    if (reason := why_no_lab() or why_no_corosync()) is not None:
        pytest.skip(reason)
    ready = "Completed service synchronization"
    with Lab() as lab:
        host = lab.add("n1", 1)
        key = str(authkey(tmp_path / "authkey"))
        text = render("c", [RingNode("n1", 1, host.address)], keyfile=key, state_dir=str(tmp_path / "state"))
        prefix = ("nsenter", f"--net=/run/netns/{host.namespace}", *alone(tmp_path / "pid"))
        container = Container(tmp_path, text, "corosync", prefix=prefix)
        started.append(container)
        container.says(ready)
        pid = int(container.text().partition("corosync started, pid ")[2].split()[0])
        os.kill(pid, signal.SIGKILL)
        killed_at = time.monotonic()
        container.says(ready, times=2)
        print(f"killed Corosync serves again after {time.monotonic() - killed_at:.2f} s")
        assert "corosync ended (killed by SIGKILL): starting it again now" in container.text()
        assert container.end() == 0


@pytest.mark.netns
def test_a_log_that_nobody_reads_does_not_stop_corosync(tmp_path: Path, started: list[Container]) -> None:
    if (reason := why_no_lab() or why_no_corosync()) is not None:
        pytest.skip(reason)
    reading, writing = os.pipe()
    with Lab() as lab:
        host = lab.add("n1", 1)
        key = str(authkey(tmp_path / "authkey"))
        text = render("c", [RingNode("n1", 1, host.address)], keyfile=key, state_dir=str(tmp_path / "state"))
        os.write(writing, b"-" * 65536)  # as much as a pipe holds
        prefix = ("nsenter", f"--net=/run/netns/{host.namespace}", *alone(tmp_path / "pid"))
        container = Container(tmp_path, text, "corosync", prefix=prefix, output=writing)
        started.append(container)

        def is_quorate() -> bool:
            argv = host.command(["corosync-quorumtool", "-s"])
            return subprocess.run(argv, capture_output=True, timeout=10, check=False).returncode == 0

        until(is_quorate, lambda: "no quorum")
        assert container.end() == 0
    os.close(writing)
    assert set(os.read(reading, 1 << 17)) == {ord("-")}
    os.close(reading)


@pytest.mark.netns
def test_a_changed_node_list_is_taken_up_by_the_running_ring(tmp_path: Path, started: list[Container]) -> None:
    if (reason := why_no_lab() or why_no_corosync()) is not None:
        pytest.skip(reason)
    with Lab() as lab:
        host = lab.add("n1", 1)
        key = str(authkey(tmp_path / "authkey"))
        ring = [RingNode("n1", 1, host.address), RingNode("n2", 2, "198.18.0.2")]
        first, both = (render("c", ring[:n], keyfile=key, state_dir=str(tmp_path / "state")) for n in (1, 2))
        prefix = ("nsenter", f"--net=/run/netns/{host.namespace}", *alone(tmp_path / "pid"))
        container = Container(tmp_path, first, "corosync", prefix=prefix)
        started.append(container)
        container.says("Completed service synchronization")
        container.conf.write_text(both)
        container.says("the configuration changed: reloading the ring")
        container.says("Config reload requested")
        container.says("host: 2")  # knet has a link to the new node now
        assert container.text().count("corosync started") == 1
        assert container.end() == 0
