"""`momentum-node drill` on three nodes: there and back, measured; back also when somebody ends it in the middle."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.addresswatch import TWO_KERNELS_LIMIT_S
from tests.support.lab import ip, why_no_lab
from tests.support.labcluster import NODES, LabCluster
from tests.support.labnode import let_in, nodes_json

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]

VIP, SILENT = "198.18.0.41", "198.18.0.42"
TEXT = """
Hostname = "{name}.example.org"
Gateway = "198.18.0.254:2525"
Mail_Workers = 1
ESMTP_Listener {{ Listen "198.18.0.41:25" {{ Enable_Duravip = true  Duravip_Preference = "n1" }} }}
Binding "quiet" {{ Enable_Duravip = true  Bind_Address = "198.18.0.42"  Duravip_Preference = "n2" }}
cluster {{
  view_mature_time = 1  view_balance_interval = 600  duravip_release_grace = 1
  Topology "198.18.0.0/24" {{ interface = "eth0" }}
}}
"""


def files_of(name: str) -> Mapping[str, str]:
    return {"ecelerity.conf": TEXT.format(name=name), "nodes.json": nodes_json(NODES)}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCluster]:
    """Three nodes on one wire; n1 has VIP, where mail is taken, and n2 has SILENT, where nobody listens."""
    if (why := why_no_lab()) is not None:
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("drill")
    with LabCluster(let_in(folder), "embedded") as made:
        made.write(files_of)
        made.start()
        made.wait_for("every node takes mail", 120, made.accepting)
        made.wait_for("the addresses are served", 60, lambda: are_at_home(made))
        yield made


def are_at_home(cluster: LabCluster) -> bool:
    return (cluster.owner(VIP), cluster.owner(SILENT)) == ("n1", "n2")


def drill(cluster: LabCluster, node: str, *words: str) -> "subprocess.Popen[str]":
    """Start a drill on a node."""
    host = cluster.nodes[node]
    argv = host.host.command([sys.executable, "-m", "momentum_node", "drill", *words])
    environment = {**os.environ, **host.environment}
    return subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def done(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    printed, told = process.communicate(timeout=120)
    return process.returncode, printed, told


def is_unpinned(cluster: LabCluster) -> bool:
    """As a next drill sees it, which would be refused."""
    return done(drill(cluster, "n3", "--vip", VIP, "--dry-run"))[0] == 0


def test_away_and_back_and_what_was_seen_of_it(cluster: LabCluster) -> None:
    before = time.monotonic()
    code, printed, told = done(drill(cluster, "n3", "--vip", VIP, "--limit", "60000", "--format", "json"))
    assert code == 0, told
    outcome = json.loads(printed)
    assert (outcome["seenFrom"], outcome["port"], outcome["problem"]) == ("n3", 25, None)
    out, back = outcome["ways"]
    assert (out["from"], out["to"], back["from"], back["to"]) == ("n1", out["to"], out["to"], "n1")
    assert out["to"] in {"n2", "n3"}
    for way in outcome["ways"]:
        assert 0 < way["silentSeconds"] <= way["unservedSeconds"] < 60
        assert 0 < way["answered"] <= way["tries"]
    owners = [change.node for change in cluster.changes(VIP, before) if change.held]
    assert owners == [out["to"], "n1"]  # by the kernels' word, not by ours
    assert are_at_home(cluster)
    assert is_unpinned(cluster)
    assert cluster.held_by_two(VIP, before) < TWO_KERNELS_LIMIT_S


def test_where_nobody_listens_a_refusal_is_the_answer(cluster: LabCluster) -> None:
    code, printed, told = done(drill(cluster, "n3", "--vip", SILENT, "--to", "n1", "--limit", "60000"))
    assert code == 0, told
    assert "nobody listens at it" in told
    assert printed.rstrip().endswith(f"{SILENT} is on n2 again")


def test_the_giver_is_told_to_drill_elsewhere(cluster: LabCluster) -> None:
    code, printed, told = done(drill(cluster, "n1", "--vip", VIP, "--to", "n3", "--dry-run"))
    assert (code, printed) == (0, "")
    assert "n1 is the giver: for what a client sees, run it on a third node" in told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_drill_that_is_ended_brings_the_address_back(cluster: LabCluster, number: signal.Signals) -> None:
    process = drill(cluster, "n3", "--vip", VIP, "--to", "n2", "--stay", "300")
    cluster.wait_for("it is away", 60, lambda: cluster.owner(VIP) == "n2")
    process.send_signal(number)
    code, _, told = done(process)
    assert code == (128 + number if number != signal.SIGKILL else -number), told
    cluster.wait_for("it is back", 60, lambda: cluster.owner(VIP) == "n1")
    cluster.wait_for("no pin is left", 60, lambda: is_unpinned(cluster))


def test_when_the_core_that_drills_dies_the_next_one_brings_it_back(cluster: LabCluster) -> None:
    process = drill(cluster, "n3", "--vip", VIP, "--to", "n2", "--stay", "3")
    cluster.wait_for("it is away", 60, lambda: cluster.owner(VIP) == "n2")
    for pid in cluster.nodes["n3"].pids("core"):
        os.kill(pid, signal.SIGKILL)
    code, printed, told = done(process)
    assert code in {0, 3}, told + printed
    assert cluster.owner(VIP) == "n1"
    cluster.wait_for("every node takes mail", 60, cluster.accepting)
    cluster.wait_for("no pin is left", 60, lambda: is_unpinned(cluster))


ARP_REPLIES = """
import socket
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
print("ready", flush=True)
while True:
    frame = sock.recv(2000)
    is_gratuitous = frame[28:32] == frame[38:42]  # the kernel's own answers name who asked
    if frame[20:22] == b"\\0\\2" and frame[0] != 255 and is_gratuitous:
        print(frame[6:12].hex(":"), socket.inet_ntoa(frame[28:32]), flush=True)
"""


def mac_of(node: str, cluster: LabCluster) -> str:
    line = ip("-n", cluster.nodes[node].host.namespace, "-o", "link", "show", "dev", "eth0")
    return line.split("link/ether ")[1].split()[0]


def test_a_host_that_only_talked_to_the_giver_is_told_by_the_taker(cluster: LabCluster, tmp_path: Path) -> None:
    """The shared ARP table: what n1 knows of its clients, n2 knows too."""
    cluster.client.run("python3", "-c", f"import socket; socket.create_connection(('{VIP}', 25)).recv(100)")
    for pid in cluster.nodes["n3"].pids("core"):  # a view: all tell each other their neighbours
        os.kill(pid, signal.SIGKILL)
    cluster.wait_for("every node takes mail", 60, cluster.accepting)
    heard = tmp_path / "heard"
    with heard.open("wb") as output:
        capture = cluster.client.start([sys.executable, "-c", ARP_REPLIES], output=output)
    try:
        cluster.wait_for("the capture runs", 30, lambda: "ready" in heard.read_text())
        told_by = f"{mac_of('n2', cluster)} {VIP}"
        process = drill(cluster, "n3", "--vip", VIP, "--to", "n2", "--stay", "60")
        cluster.wait_for("the client is told", 60, lambda: told_by in heard.read_text())
        process.terminate()
        assert done(process)[0] == 128 + signal.SIGTERM
    finally:
        capture.kill()
        capture.wait()
    assert are_at_home(cluster)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--vip", "198.18.0.99"), "refused: 198.18.0.99 is no DuraVIP of this cluster"),
        (("--vip", VIP, "--to", "n1"), "refused: 198.18.0.41 is on n1 already"),
        (("--vip", VIP, "--port", "26"), "does not answer from here, so nothing could be measured: nothing was moved"),
    ],
)
def test_a_refusal_says_why_and_moves_nothing(cluster: LabCluster, words: tuple[str, ...], why: str) -> None:
    before = time.monotonic()
    code, printed, told = done(drill(cluster, "n3", *words))
    assert (code, printed) == (1, "")
    assert why in told
    assert cluster.changes(VIP, before) == []


def test_commands_of_the_cluster_module_are_answered_by_each_node(cluster: LabCluster) -> None:
    assert command(cluster, "n2", "duravip", "announce", "view") == (0, "view announced.\n", "")
    code, printed, _ = command(cluster, "n2", "arp", "show")
    assert code == 0
    assert all("[" in line for line in printed.splitlines())
    code, _, told = command(cluster, "n2", "arp", "shwo")
    assert (code, "did you mean `cluster arp show`" in told) == (2, True)


def command(cluster: LabCluster, node: str, *words: str) -> tuple[int, str, str]:
    """What `momentum-node cluster` says on a node."""
    host = cluster.nodes[node]
    argv = host.host.command([sys.executable, "-m", "momentum_node", "cluster", *words])
    environment = {**os.environ, **host.environment}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr
