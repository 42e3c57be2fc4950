"""What the supervisor puts on the wire and hears there, seen by the other host."""

import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.host.supervised import Supervised, plant, run_in, wait_until, whole_lines
from tests.support.lab import Host, Lab, ip

pytestmark = pytest.mark.netns

CAPTURE = """
import socket, sys, time
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
print("ready", flush=True)
while True:
    frame = sock.recv(2000)
    print(time.time(), frame.hex(), flush=True)
"""


class Capture:
    """Every frame that reaches a host."""

    def __init__(self, host: Host, path: Path) -> None:
        self._path = path
        self._process = run_in(host, CAPTURE, output=path)
        wait_until(lambda: "ready" in path.read_text(), 3, "the capture runs")

    def frames(self, ethertype: str) -> list[tuple[float, bytes]]:
        """(time, frame) of each frame of this type so far."""
        lines = [line.split() for line in whole_lines(self._path)[1:]]
        return [(float(at), bytes.fromhex(data)) for at, data in lines if data[24:28] == ethertype]

    def stop(self) -> None:
        """End the capture."""
        self._process.kill()
        self._process.wait()


@pytest.fixture
def seen(lab: Lab, tmp_path: Path) -> Iterator[Capture]:
    """What host n2 hears."""
    capture = Capture(lab.hosts["n2"], tmp_path / "capture")
    yield capture
    capture.stop()


def mac_of(host: Host) -> str:
    """The hardware address of eth0."""
    line = ip("-n", host.namespace, "-o", "link", "show", "dev", "eth0")
    return line.split("link/ether ")[1].split()[0]


@pytest.mark.parametrize(("address", "length"), [("192.0.2.41", 32), ("fd77::41", 128)])
def test_a_kernel_that_has_the_address_answers_a_probe(lab: Lab, tmp_path: Path, address: str, length: int) -> None:
    other = lab.hosts["n2"]
    ip("-n", other.namespace, "address", "add", f"{address}/{length}", "dev", "eth0", "nodad")
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        mac, took_s = node.do("probe", interface="eth0", address=address)
        assert mac == mac_of(other)
        assert took_s < 0.039, "an answer ends the probe"
        neighbours = ip("-n", other.namespace, "neighbour", "show", "dev", "eth0")
        assert mac_of(node.host) not in neighbours, "asking leaves no trace"


@pytest.mark.parametrize("address", ["192.0.2.41", "fd77::41"])
def test_silence_is_the_verdict_after_three_probes(lab: Lab, tmp_path: Path, seen: Capture, address: str) -> None:
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        mac, took_s = node.do("probe", interface="eth0", address=address)
        assert mac is None
        assert 0.039 <= took_s < 1  # later on a busy machine, never earlier
        probes = [at for at, frame in seen.frames("0806" if "." in address else "86dd") if is_probe(frame)]
        assert len(probes) == 3
        assert all(0.010 <= later - earlier < 0.5 for earlier, later in pairwise(probes))


def is_probe(frame: bytes) -> bool:
    """An ARP request in nobody's name for .41, or a solicitation from :: for ::41."""
    if frame[12:14] == b"\x08\x06":
        return frame[20:22] == b"\0\1" and frame[28:32] == bytes(4) and frame[38:42] == bytes((192, 0, 2, 41))
    return frame[20] == 58 and frame[54] == 135 and frame[22:38] == bytes(16) and frame[62:78].endswith(b"\x00\x41")


def test_two_hundred_probes_run_side_by_side(lab: Lab, tmp_path: Path) -> None:
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        addresses = [f"192.0.2.{n}" for n in range(2, 202)]
        node.do("held")
        began = time.monotonic()
        answers = node.do("probe_all", interface="eth0", addresses=addresses)
        assert time.monotonic() - began < 4  # one after the other they would take 8 s
        assert answers[0] == mac_of(lab.hosts["n2"])
        assert set(answers[1:]) == {None}


def test_gratuitous_arp_request_and_reply_at_0_1_and_2_seconds(lab: Lab, tmp_path: Path, seen: Capture) -> None:
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        node.plumb("192.0.2.41")
        began = time.time()
        node.do("announce", address="192.0.2.41")
        time.sleep(2.3)
        mac = bytes.fromhex(mac_of(node.host).replace(":", ""))
        vip = bytes((192, 0, 2, 41))
        said = [
            (round(at - began), frame[21])
            for at, frame in seen.frames("0806")
            if frame[:6] == b"\xff" * 6 and frame[6:12] == frame[22:28] == mac and frame[28:32] == frame[38:42] == vip
        ]
        assert said == [(0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (2, 2)]


def test_an_unsolicited_advertisement_overrides_and_ends_with_the_address(
    lab: Lab, tmp_path: Path, seen: Capture
) -> None:
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        node.plumb("fd77::41")
        node.do("announce", address="fd77::41")
        time.sleep(0.3)
        (first,) = advertisements(seen)
        assert first[:6] == bytes.fromhex("333300000001")
        assert first[21] == 255, "hop limit"
        assert first[58] == 0x20, "Override set, Router and Solicited clear"
        assert first[78:86] == b"\x02\x01" + bytes.fromhex(mac_of(node.host).replace(":", ""))
        node.do("unplumb", address="fd77::41")
        time.sleep(1.0)
        assert len(advertisements(seen)) == 1, "nothing is announced that is not held"


def advertisements(seen: Capture) -> list[bytes]:
    """Neighbour advertisements whose target is fd77::41."""
    target = bytes.fromhex("fd770000000000000000000000000041")
    frames = [frame for _, frame in seen.frames("86dd")]
    return [frame for frame in frames if frame[20] == 58 and frame[54] == 136 and frame[62:78] == target]


NEIGHBOURS = """
from ipaddress import IPv6Network
from momentum_node.duravip.surroundings import KernelNeighbours
found = KernelNeighbours(lambda interface: [IPv6Network("fd77::/64")] if interface == "eth0" else [])()
for one in found.neighbours:
    print(one.address, one.mac.hex(":"), one.link, flush=True)
print("gateways", *sorted(map(str, found.gateways)), flush=True)
"""


def test_one_host_can_be_told_of_an_address_and_nobody_of_what_is_not_held(
    lab: Lab, tmp_path: Path, seen: Capture
) -> None:
    """As a member of the shared ARP table is, where broadcasts do not pass; the entry is younger than any locktime."""
    other = lab.hosts["n2"]
    stale = ["192.0.2.41", "lladdr", "02:00:00:00:00:99", "nud", "stale", "dev", "eth0"]
    ip("-n", other.namespace, "neighbour", "add", *stale)
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        node.plumb("192.0.2.41")
        for address in ("192.0.2.42", "192.0.2.41"):
            node.do("tell", address=address, mac=mac_of(other))
        mac = mac_of(node.host)
        wait_until(
            lambda: f"lladdr {mac}" in ip("-n", other.namespace, "neighbour", "show", "192.0.2.41", "dev", "eth0"),
            5,
            "the neighbour knows where the address is",
        )
        told = [frame for _, frame in seen.frames("0806") if frame[20:22] == b"\0\2"]
        assert [(frame[:6].hex(":"), frame[28:32]) for frame in told] == [(mac_of(other), bytes((192, 0, 2, 41)))]


def test_one_host_can_be_told_of_an_ipv6_address(lab: Lab, tmp_path: Path, seen: Capture) -> None:
    other = lab.hosts["n2"]
    stale = ["fd77::41", "lladdr", "02:00:00:00:00:99", "nud", "stale", "dev", "eth0"]
    ip("-n", other.namespace, "neighbour", "add", *stale)
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        node.plumb("fd77::41")
        node.do("tell", address="fd77::41", mac=mac_of(other))
        mac = mac_of(node.host)
        wait_until(
            lambda: f"lladdr {mac}" in ip("-n", other.namespace, "-6", "neighbour", "show", "fd77::41", "dev", "eth0"),
            5,
            "the neighbour knows where the address is",
        )
        assert [frame[:6].hex(":") for frame in advertisements(seen)] == [mac_of(other)], "and nobody else was told"


def test_where_it_is_to_be_quiet_nothing_is_broadcast(lab: Lab, tmp_path: Path, seen: Capture) -> None:
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        node.do("quiet", yes=True)
        for address in ("192.0.2.41", "fd77::41"):
            node.plumb(address)
            node.do("announce", address=address)
        ip("-n", node.host.namespace, "address", "delete", "192.0.2.41/32", "dev", "eth0")
        wait_until(lambda: node.has("192.0.2.41"), 5, "it is put back")
        time.sleep(1.2)
        assert claims(seen) == [], "neither when it came nor when it came back"
        node.do("quiet", yes=False)
        node.do("announce", address="192.0.2.41")
        wait_until(lambda: len(claims(seen)) >= 2, 5, "everybody is told")


def test_when_the_carrier_is_back_every_held_address_is_announced(lab: Lab, tmp_path: Path, seen: Capture) -> None:
    """The switch may have learnt anything meanwhile (R7)."""
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        node.plumb("192.0.2.41")
        node.plumb("fd77::41")
        assert claims(seen) == []

        def told(kind: str) -> int:
            return sum(event["interface"] == "eth0" for event in node.events(kind))

        before = told("link-up")
        ip("-n", lab.bridge, "link", "set", "port-n1", "down")
        wait_until(lambda: told("link-down") > 0, 10, "the link is down")
        ip("-n", lab.bridge, "link", "set", "port-n1", "up")
        wait_until(lambda: told("link-up") > before, 10, "the link is up")
        wait_until(lambda: {len(frame) > 60 for frame in claims(seen)} == {False, True}, 10, "both are announced")


def claims(seen: Capture) -> list[bytes]:
    """Frames that say where .41 or ::41 is."""
    return [f for _, f in seen.frames("0806") if f[28:32] == bytes((192, 0, 2, 41))] + advertisements(seen)


def test_the_held_addresses_are_compared_when_asked_for(lab: Lab, tmp_path: Path) -> None:
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        node.plumb("192.0.2.41")
        plant(node.host, "192.0.2.42")  # nobody knows of it
        ip("-n", node.host.namespace, "address", "add", "192.0.2.43/32", "dev", "eth0")
        node.do("look")
        assert [node.has(f"192.0.2.{n}") for n in (41, 42, 43)] == [True, False, True]
        assert node.events("restored") == []


def test_the_kernels_neighbours_are_read(lab: Lab, tmp_path: Path) -> None:
    host, other = lab.hosts["n1"], lab.hosts["n2"]
    line = ["192.0.2.77", "lladdr", "02:00:00:00:00:77", "nud", "permanent", "dev", "eth0"]
    ip("-n", host.namespace, "neighbour", "add", *line)  # somebody's setting: not seen to be there
    host.run("python3", "-c", "import socket; socket.socket(2, 2).sendto(b'', ('192.0.2.2', 9))")
    output = tmp_path / "neighbours"
    wait_until(
        lambda: "lladdr" in ip("-n", host.namespace, "neighbour", "show", "192.0.2.2", "dev", "eth0"), 5, "it answers"
    )
    run_in(host, NEIGHBOURS, output=output).wait(20)
    assert output.read_text().splitlines() == [f"192.0.2.2 {mac_of(other)} None", "gateways"]


def test_ipv6_neighbours_those_of_a_link_and_gateways_are_read(lab: Lab, tmp_path: Path) -> None:
    host = lab.hosts["n1"]
    ip("-n", host.namespace, "address", "add", "fd77::1/64", "dev", "eth0", "nodad")
    for address, flag in (("fd77::9", ()), ("fe80::9", ("router",))):
        line = ["neighbour", "add", address, "lladdr", "02:00:00:00:00:09", "nud", "stale", "dev", "eth0", *flag]
        ip("-n", host.namespace, *line)
    ip("-n", host.namespace, "route", "add", "default", "via", "192.0.2.2")
    ip("-n", host.namespace, "-6", "route", "add", "default", "via", "fd77::8")
    output = tmp_path / "neighbours"
    run_in(host, NEIGHBOURS, output=output).wait(20)
    told = output.read_text().splitlines()
    assert "fd77::9 02:00:00:00:00:09 None" in told
    assert "fe80::9 02:00:00:00:00:09 fd77::/64" in told
    assert told[-1] == "gateways 192.0.2.2 fd77::8 fe80::9"


def test_the_kernel_of_a_neighbour_believes_the_announcement(lab: Lab, tmp_path: Path) -> None:
    """The old owner's entry is replaced at once, in both families."""
    other = lab.hosts["n2"]
    for address in ("192.0.2.41", "fd77::41"):
        ip(
            "-n",
            other.namespace,
            "neighbour",
            "add",
            address,
            "lladdr",
            "02:00:00:00:00:99",
            "nud",
            "stale",
            "dev",
            "eth0",
        )
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        for address in ("192.0.2.41", "fd77::41"):
            node.plumb(address)
            node.do("announce", address=address)
        mac = mac_of(node.host)
        wait_until(
            lambda: ip("-n", other.namespace, "neighbour").count(mac) == 2, 0.5, "both entries name the new owner"
        )


def test_another_host_that_announces_our_address_is_a_conflict(lab: Lab, tmp_path: Path) -> None:
    other = lab.hosts["n2"]
    with Supervised(lab.hosts["n1"], tmp_path / "one") as node, Supervised(other, tmp_path / "two") as rival:
        for each in (node, rival):
            each.plumb("192.0.2.41")
            each.plumb("fd77::41")
        rival.do("announce", address="192.0.2.41")
        rival.do("announce", address="fd77::41")
        wait_until(lambda: len(node.events("conflict")) == 2, 1, "both conflicts are told")
        assert {event["mac"] for event in node.events("conflict")} == {mac_of(other)}


def test_every_address_is_announced_once_before_any_is_announced_twice(lab: Lab, tmp_path: Path, seen: Capture) -> None:
    vips = [f"198.51.{100 + n // 250}.{1 + n % 250}" for n in range(700)]
    with Supervised(lab.hosts["n1"], tmp_path) as node:
        node.do("plumb_all", interface="eth0", addresses=vips, prefix_length=32)
        node.do("announce_all", addresses=vips)
        time.sleep(2.2)
        order = [frame[28:32] for _, frame in seen.frames("0806") if frame[21] == 1 and frame[28:32] == frame[38:42]]
        assert len(set(order)) == 700
        second = next(place for place, address in enumerate(order) if address in order[:place])
        assert second == 700


def test_a_rootless_node_works_the_same(tmp_path: Path) -> None:
    """In a user namespace of our own, as an ordinary user has it: leases, packets and port 25 need nothing else."""
    if subprocess.run(["unshare", "--user", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("user namespaces are not allowed here")
    command = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--mount-proc"]
    done = subprocess.run(
        [*command, sys.executable, "-m", "tests.host.rootless_story", str(tmp_path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "plumbed, listening, removed" in done.stdout


EAR = """
from momentum_node.duravip.ether import Ether
sock = Ether()._packets
sock.setblocking(True)
print("ready", flush=True)
print(sock.recv(128)[28:32].hex(), flush=True)
"""
MOUTH = """
from ipaddress import ip_address
from momentum_node.duravip.ether import Ether
from momentum_node.duravip.rtnetlink import RouteSocket
ether, (link,) = Ether(), [link for link in RouteSocket().links() if link.name == "eth0"]
address = ip_address("192.0.2.41").packed
ether.probe(link, address)
ether.announce(link, address)
print("said", flush=True)
"""


def test_the_probes_of_others_wake_nobody(lab: Lab, tmp_path: Path) -> None:
    """When a node is lost all others probe for thousands of addresses; what is heard first is the announcement."""
    heard, said = tmp_path / "heard", tmp_path / "said"
    ear = run_in(lab.hosts["n2"], EAR, output=heard)
    wait_until(lambda: "ready" in heard.read_text(), 5, "the ear is open")
    mouth = run_in(lab.hosts["n1"], MOUTH, output=said)
    wait_until(lambda: len(whole_lines(heard)) == 2, 5, "something was heard")
    assert whole_lines(heard)[1].strip() == "c0000229"
    for process in (ear, mouth):
        process.wait(5)
