"""Real Corosync on three hosts of which two do not hear each other: one leaves, the ring goes on, and it comes back."""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.wires import why_no_rules
from tests.support.corosync import authkey, why_no_corosync
from tests.support.lab import Lab, why_no_lab
from tests.support.labnode import LabNode

pytestmark = pytest.mark.netns

PATIENCE_S = 60.0
NAMES = ("n1", "n2", "n3")


class Rings:
    """The bus containers of three nodes, and what they say."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self._lab = lab
        hosts = {number: lab.add(name, number) for number, name in enumerate(NAMES, 1)}
        listed = [{"name": host.name, "id": number, "address": host.address} for number, host in hosts.items()]
        key = authkey(directory / "authkey").read_bytes()
        self.nodes = [LabNode(host, directory / host.name, "corosync") for host in hosts.values()]
        for node in self.nodes:
            node.write({"nodes.json": json.dumps({"cluster": "c", "nodes": listed})}, key)
            node.start_bus()

    def members(self) -> list[str]:
        """What each node said last of its ring."""
        said = [re.findall(r"\[QUORUM\] Members\[\d+\]: ([\d ]+)", node.log_text()) for node in self.nodes]
        return [found[-1].strip() if found else "" for found in said]

    def out(self) -> list[str]:
        """Nodes whose last word is that they stay out."""
        words = [re.findall(r"corosync started|stays out of the ring", node.log_text()) for node in self.nodes]
        return [name for name, said in zip(NAMES, words, strict=True) if said and "stays out" in said[-1]]

    def block(self, one: str, two: str) -> None:
        """Nothing passes between them any more."""
        rules = (f'iifname "port-{a}" oifname "port-{b}" drop' for a, b in ((one, two), (two, one)))
        head = "add table bridge t\nadd chain bridge t c { type filter hook forward priority 0; }\n"
        self._nft(head + "".join(f"add rule bridge t c {rule}\n" for rule in rules))

    def mend(self) -> None:
        self._nft("delete table bridge t\n")

    def _nft(self, script: str) -> None:
        argv = ["ip", "netns", "exec", self._lab.bridge, "nft", "-f", "-"]
        subprocess.run(argv, input=script, text=True, check=True)

    def until(self, is_so: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not is_so():
            assert time.monotonic() < deadline, "\n".join(node.log_text()[-3000:] for node in self.nodes)
            time.sleep(0.05)


@pytest.fixture
def rings(tmp_path: Path) -> Iterator[Rings]:
    if (reason := why_no_lab() or why_no_corosync() or why_no_rules()) is not None:
        pytest.skip(reason)
    with Lab() as lab:
        rings = Rings(lab, tmp_path)
        yield rings
        for node in rings.nodes:
            node.kill()


@pytest.mark.timeout(240)
def test_a_pair_that_does_not_hear_each_other_costs_one_node_not_the_ring(rings: Rings) -> None:
    rings.until(lambda: rings.members() == ["1 2 3"] * 3)
    time.sleep(6)  # a daemon's links say nothing at first
    rings.block("n1", "n2")
    blocked_at = time.monotonic()
    rings.until(rings.out)
    left = rings.out()
    print(f"{left} left {time.monotonic() - blocked_at:.2f} s after the pair broke")
    assert len(left) == 1
    assert left[0] in ("n1", "n2"), "n3 hears both"
    stayed = "2 3" if left == ["n1"] else "1 3"
    rings.until(lambda: rings.members().count(stayed) == 2)
    rings.mend()
    rings.until(lambda: rings.members() == ["1 2 3"] * 3)
    assert rings.out() == []
