"""What judges a node from outside outlives its death."""

from pathlib import Path

import pytest

from tests.host.supervised import wait_until
from tests.support.addresswatch import AddressWatch
from tests.support.lab import Lab, ip
from tests.support.labnode import LabNode

pytestmark = pytest.mark.netns


def test_a_killed_node_is_watched_on(lab: Lab, tmp_path: Path) -> None:
    host = lab.hosts["n1"]
    node = LabNode(host, tmp_path, "corosync")
    watch = AddressWatch("n1", host.command)
    sleeping = host.start(["sleep", "600"])
    wait_until(lambda: sleeping.pid in node.everything(), 10, "the node runs something")
    node.kill()
    assert sleeping.wait(10) != 0
    ip("-n", host.namespace, "address", "add", "192.0.2.41/32", "dev", "eth0")
    wait_until(lambda: any(change.address == "192.0.2.41" for change in watch.changes), 10, "it is seen")
    watch.close()
