"""A real ring gets another key, stage by stage, while nobody leaves it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from momentum_node.bus.keyfiles import published
from momentum_node.config.corosync import RingNode, render
from momentum_node.config.ringkeys import fingerprint
from momentum_node.status.report import BusKeyReport
from tests.support.corosync import alone, why_no_corosync
from tests.support.lab import Host, Lab, why_no_lab

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]
OLD, NEW = b"the old key.".ljust(256, b"o"), b"the new key.".ljust(256, b"n")
PATIENCE_S = 60.0


class BusContainer:
    """The bus container of one node: its key folder, its log, its first process."""

    def __init__(self, home: Path, host: Host, ring: list[RingNode]) -> None:
        self.home, self.keys, self.conf = home, home / "keys", home / "corosync.conf"
        self._log = home / "log"
        self.keys.mkdir(parents=True)
        self.conf.write_text(render("c", ring, keyfile=str(home / "authkey"), state_dir=str(home / "state")))
        self.mount(authkey=OLD)
        command = ["nsenter", f"--net=/run/netns/{host.namespace}", *alone(home / "pid")]
        command += [sys.executable, "-m", "momentum_node", "bus", "--conf", str(self.conf), "--keys", str(self.keys)]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)

    def mount(self, **files: bytes) -> None:
        """As the kubelet does: everything at once, behind a link."""
        fresh = self.home / f"keys-{time.monotonic_ns()}"
        fresh.mkdir()
        for name, content in files.items():
            (fresh / name.replace("_", ".")).write_bytes(content)
        link = self.keys / "..new"
        link.symlink_to(fresh)
        link.replace(self.keys / "..data")

    def text(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def rings(self) -> int:
        """How many rings it has been on: one more with each membership event."""
        return self.text().count("A new membership")

    @property
    def state(self) -> BusKeyReport | None:
        return published(self.conf)

    def is_at(self, stage: str, in_force: bytes) -> bool:
        state = self.state
        return state is not None and (state["stage"], state["inForce"]) == (stage, fingerprint(in_force))

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@pytest.fixture
def containers(tmp_path: Path) -> Iterator[list[BusContainer]]:
    if (reason := why_no_lab() or why_no_corosync()) is not None:
        pytest.skip(reason)
    with Lab() as lab:
        hosts = [lab.add(f"n{number}", number) for number in (1, 2, 3)]
        ring = [RingNode(host.name, number, host.address) for number, host in enumerate(hosts, 1)]
        started = [BusContainer(tmp_path / host.name, host, ring) for host in hosts]
        try:
            yield started
        finally:
            for container in started:
                container.end()


def until(what: str, is_so: Callable[[], object], containers: list[BusContainer]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, what + "\n" + "\n---\n".join(c.text()[-3000:] for c in containers)
        time.sleep(0.05)


def corosync_pid(container: BusContainer) -> int:
    return int(container.text().rpartition("corosync started, pid ")[2].split()[0])


def test_another_key_without_one_membership_event(containers: list[BusContainer]) -> None:
    n1, n2, n3 = containers
    until("one ring of three", lambda: all("Members[3]" in c.text() for c in containers), containers)
    until("the old key is published", lambda: all(c.is_at("", OLD) for c in containers), containers)
    before = [container.rings for container in containers]

    for stage in (b"distribute", b"install"):  # each node sees it at a time of its own
        for container in (n3, n1, n2):
            container.mount(authkey=OLD, authkey_next=NEW, stage=stage)
            until("it is seen", lambda c=container, s=stage: c.is_at(s.decode(), OLD), containers)  # type: ignore[misc]
    assert [c.state and c.state["file"] for c in containers] == [fingerprint(NEW)] * 3
    for container in (n3, n2, n1):
        container.mount(authkey=OLD, authkey_next=NEW, stage=b"switch")
    until("all use the new key", lambda: all(c.is_at("switch", NEW) for c in containers), containers)
    for container in (n2, n3, n1):
        container.mount(authkey=NEW)
    until("it is over", lambda: all(c.is_at("", NEW) for c in containers), containers)
    assert [container.rings for container in containers] == before

    # That it is the new key indeed: who starts with it joins.
    os.kill(corosync_pid(n3), signal.SIGKILL)
    until("it is alone and then among the others", lambda: n3.text().count("Members[3]") >= 2, containers)
    until("the others see it", lambda: n1.rings >= before[0] + 2, containers)
