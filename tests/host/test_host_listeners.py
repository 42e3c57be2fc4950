"""Listening sockets that the supervisor binds for others, and connections that end with their address."""

import errno
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.supervised import Refused, Supervised, run_in, wait_until
from tests.support.lab import Host, Lab, ip

pytestmark = pytest.mark.netns

VIPS = ("192.0.2.41", "fd77::41")

CLIENT = """
import socket, sys
address, port = sys.argv[1], int(sys.argv[2])
try:
    peer = socket.create_connection((address, port), 2)
    print("connected", flush=True)
    peer.settimeout(10)
    data = peer.recv(100)
    print("closed", flush=True)
except OSError as error:
    print(type(error).__name__, flush=True)
"""


class Client:
    """A connection from host n2; `said` tells how far it got."""

    def __init__(self, host: Host, path: Path, address: str, port: int) -> None:
        self._path = path
        self._process = run_in(host, CLIENT, address, str(port), output=path)

    def waits_for(self, word: str, limit_s: float = 3.0) -> float:
        """Seconds until it printed `word`."""
        return wait_until(lambda: word in self._path.read_text(), limit_s, f"the client says {word}")

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


@pytest.fixture
def clients(lab: Lab) -> Iterator[list[Client]]:
    """Ended with the test. Host n2 knows the way to both addresses."""
    ip("-n", lab.hosts["n1"].namespace, "-6", "address", "add", "fd77::1/64", "dev", "eth0", "nodad")
    ip("-n", lab.hosts["n2"].namespace, "-6", "address", "add", "fd77::2/64", "dev", "eth0", "nodad")
    made: list[Client] = []
    yield made
    for client in made:
        client.stop()


@pytest.mark.parametrize("vip", VIPS)
def test_a_listener_opens_before_its_address_and_serves_once_that_is_here(
    lab: Lab, tmp_path: Path, clients: list[Client], vip: str
) -> None:
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        assert vip in node.do("open", address=vip, port=25, floating=True)
        node.plumb(vip)
        node.do("announce", address=vip)
        clients.append(Client(lab.hosts["n2"], tmp_path / "client", vip, 25))
        peer = node.do("accept", endpoint=f"{vip}:25")
        assert ("192.0.2.2" if "." in vip else "fd77::2") in peer


def test_a_plain_listener_waits_for_its_address(lab: Lab, tmp_path: Path) -> None:
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        with pytest.raises(Refused, match="not on this host") as refused:
            node.do("open", address="192.0.2.7", port=25, floating=False)
        assert refused.value.number == errno.EADDRNOTAVAIL
        node.do("open", address="192.0.2.1", port=25, floating=False)
        node.do("open", address="", port=2525, floating=False)


def test_there_may_be_more_sockets_than_a_process_begins_with(lab: Lab, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
    try:
        with Supervised(lab.hosts["n1"], tmp_path) as node:
            for number in range(200):
                node.do("open", address=f"192.0.3.{number}", port=25, floating=True)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_giving_up_an_address_stops_a_frozen_process_that_accepts_on_it(
    lab: Lab, tmp_path: Path, clients: list[Client]
) -> None:
    vip = VIPS[0]
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        node.do("open", address=vip, port=25, floating=True)
        node.plumb(vip)
        node.do("announce", address=vip)
        frozen = node.do("share", endpoint=f"{vip}:25")  # a worker with a copy of the socket
        os.kill(frozen, signal.SIGSTOP)
        node.do("close_listener", address=vip, port=25)
        clients.append(Client(lab.hosts["n2"], tmp_path / "client", vip, 25))
        clients[0].waits_for("ConnectionRefusedError")
        node.do("open", address=vip, port=25, floating=True)  # and the port is free again, although a copy is open
        clients.append(Client(lab.hosts["n2"], tmp_path / "again", vip, 25))
        clients[1].waits_for("connected")
        os.kill(frozen, signal.SIGKILL)


@pytest.mark.parametrize("vip", VIPS)
def test_a_connection_is_reset_before_its_address_goes(
    lab: Lab, tmp_path: Path, clients: list[Client], vip: str
) -> None:
    """Only while the address is there does the reset leave with the right source: the peer learns at once."""
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        node.do("open", address=vip, port=25, floating=True)
        node.plumb(vip)
        node.do("announce", address=vip)
        clients.append(Client(lab.hosts["n2"], tmp_path / "client", vip, 25))
        node.do("accept", endpoint=f"{vip}:25")
        clients[0].waits_for("connected")
        node.do("unplumb", address=vip)
        assert clients[0].waits_for("ConnectionResetError", 1.0) < 0.5


def test_connections_are_reset_too_when_the_core_is_killed(lab: Lab, tmp_path: Path, clients: list[Client]) -> None:
    """The session is a worker's, which lives on: only the supervisor can end it in time."""
    vip = VIPS[0]
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        node.do("open", address=vip, port=25, floating=True)
        node.plumb(vip)
        node.do("announce", address=vip)
        worker = node.do("share", endpoint=f"{vip}:25")
        clients.append(Client(lab.hosts["n2"], tmp_path / "client", vip, 25))
        clients[0].waits_for("connected")
        os.kill(node.core_pid(), signal.SIGKILL)
        clients[0].waits_for("ConnectionResetError", 1.0)
        wait_until(lambda: not node.has(vip), 0.2, "the address goes right after")
        os.kill(worker, signal.SIGKILL)


def test_a_plain_listener_keeps_its_backlog_over_the_death_of_the_core(
    lab: Lab, tmp_path: Path, clients: list[Client]
) -> None:
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        node.do("open", address="", port=2525, floating=False)
        os.kill(node.core_pid(), signal.SIGKILL)
        node.forget_core()
        clients.append(Client(lab.hosts["n2"], tmp_path / "client", "192.0.2.1", 2525))
        clients[0].waits_for("connected")
        wait_until(lambda: node.do("events") != [], 5, "the next core answers")
        node.do("open", address="", port=2525, floating=False)
        assert "192.0.2.2" in node.do("accept", endpoint=":2525")


def test_a_port_that_another_program_has_is_an_error_that_says_so(lab: Lab, tmp_path: Path) -> None:
    program = "import socket; s = socket.create_server(('', 2526)); print('listening', flush=True); s.accept()"
    other = run_in(lab.hosts["n1"], program, output=tmp_path / "other")
    wait_until(lambda: "listening" in (tmp_path / "other").read_text(), 3, "the other program listens")
    with Supervised(lab.hosts["n1"], tmp_path / "node") as node:
        with pytest.raises(Refused, match="another process"):
            node.do("open", address="", port=2526, floating=False)
        other.kill()
        other.wait()
        node.do("open", address="", port=2526, floating=False)
