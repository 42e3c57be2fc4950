"""The example of the Momentum 2.x manual (section 7.1) drives two nodes as written; only its NIC is called eth0."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.lab import Host, Lab, why_no_lab
from tests.support.labnode import LabNode, let_in, nodes_json

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "manual-2.x.conf"
NODE_ADDRESS, VIP = "192.168.0.1", "192.168.0.41"
START_LIMIT_S = 60.0


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, dict[str, LabNode]]]:
    if (why := why_no_lab()) is not None:
        pytest.skip(why)
    directory = let_in(tmp_path_factory.mktemp("manual"))
    text = EXAMPLE.read_text().replace('interface = "bge0"', 'interface = "eth0"')
    files = {"ecelerity.conf": text, "nodes.json": nodes_json({"n1": 1, "n2": 2}, "manual", "192.168.0")}
    with Lab("192.168.0") as lab:
        lab.add("client", 254)
        made = {f"n{n}": LabNode(lab.add(f"n{n}", n), directory / f"n{n}", str(directory / "bus")) for n in (1, 2)}
        try:
            for node in made.values():
                node.write(files, b"not used by the embedded engine")
                node.start()
            wait(lambda: all(accepts(node) for node in made.values()) and len(holders(made)) == 1)
            yield lab, made
        finally:
            for node in made.values():
                node.stop()


def wait(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while not is_so():
        assert time.monotonic() < deadline, "the nodes do not come up"
        time.sleep(0.05)


def accepts(node: LabNode) -> bool:
    report = node.report()
    return report is not None and report["state"] == "RUN" and report["mail"]["accepting"]


def holders(made: dict[str, LabNode]) -> list[str]:
    return [name for name, node in made.items() if VIP in node.host.addresses()]


def talk(client: Host, address: str, *commands: str) -> list[str]:
    """What the server at `address` answers: the greeting, then one answer a command."""
    script = (
        "import smtplib, sys\n"
        "session = smtplib.SMTP(timeout=5)\n"
        "print(session.connect(sys.argv[1], 25)[1].decode())\n"
        "[print(*session.docmd(command)) for command in sys.argv[2:]]\n"
    )
    return client.run(sys.executable, "-c", script, address, *commands).splitlines()


def test_the_address_greets_with_the_name_of_its_personality(nodes: tuple[Lab, dict[str, LabNode]]) -> None:
    lab, _ = nodes
    assert talk(lab.hosts["client"], VIP)[0].startswith("r1.example.com ESMTP")


def test_the_plain_listener_is_open_on_the_node_whose_address_it_is(nodes: tuple[Lab, dict[str, LabNode]]) -> None:
    lab, _ = nodes
    assert talk(lab.hosts["client"], NODE_ADDRESS)[0].startswith(socket.gethostname())


def test_nobody_may_relay_because_the_example_allows_nobody(nodes: tuple[Lab, dict[str, LabNode]]) -> None:
    lab, _ = nodes
    answers = talk(lab.hosts["client"], VIP, "HELO c", "MAIL FROM:<a@example.org>", "RCPT TO:<b@example.net>")
    assert answers[-1].startswith("550 ")


def test_what_is_not_built_yet_is_named_in_a_notice_not_ignored(nodes: tuple[Lab, dict[str, LabNode]]) -> None:
    _, made = nodes
    report = made["n1"].report()
    assert report is not None
    notices = " ".join(report["notices"])
    for option in ("ec_logger", "custom_logger", "logs", "mbus_daemon", "Replicate inbound_cidr", "ECCluster_Listener"):
        assert re.search(option, notices, re.IGNORECASE), f"{option} is not named in: {notices}"


def test_the_other_node_says_that_the_plain_listener_waits(nodes: tuple[Lab, dict[str, LabNode]]) -> None:
    _, made = nodes
    assert f"{NODE_ADDRESS}:25 is not on this host" in made["n2"].log_text()
    assert f"{NODE_ADDRESS}:25 is not on this host" not in made["n1"].log_text()


def test_the_address_moves_when_its_node_is_stopped(nodes: tuple[Lab, dict[str, LabNode]]) -> None:
    lab, made = nodes
    owner = holders(made)[0]
    made[owner].stop()
    wait(lambda: holders(made) == [name for name in made if name != owner])
    assert talk(lab.hosts["client"], VIP)[0].startswith("r1.example.com ESMTP")


def test_the_example_is_valid_as_it_is() -> None:
    argv = [sys.executable, "-m", "momentum_node", "config", "check", str(EXAMPLE)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("Configuration valid\n")
