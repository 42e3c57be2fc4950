"""Commands of the cluster module: what they print, and what they say when they cannot."""

import asyncio
import json
import os
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

import pytest

from momentum_node import clusterdesk
from momentum_node.clusterdesk import ClusterDesk
from momentum_node.clusterwords import CommandRefused, answer
from momentum_node.duravip.sharedarp import Neighbour


class Node:
    """A node with two neighbours."""

    def __init__(self, *, is_member: bool = True) -> None:
        self.is_member = is_member
        self.announced = 0

    def neighbours(self) -> Sequence[Neighbour]:
        mac = bytes.fromhex("00e081635ce8")
        return [Neighbour(ip_address("10.0.0.4"), mac, 57.0), Neighbour(ip_address("fd77::4"), mac, 90.0)]

    def announce_view(self) -> bool:
        self.announced += self.is_member
        return self.is_member


def test_the_shared_arp_table_as_the_manual_shows_it() -> None:
    assert answer(["arp", "show"], Node(), 100.0) == (
        "10.0.0.4         [00:e0:81:63:5c:e8]  43s\nfd77::4          [00:e0:81:63:5c:e8]  10s"
    )


def test_a_view_is_announced_by_a_member_only() -> None:
    node = Node()
    assert answer(["duravip", "announce", "view"], node, 0.0) == "view announced."
    assert node.announced == 1
    with pytest.raises(CommandRefused, match="not a member now"):
        answer(["duravip", "announce", "view"], Node(is_member=False), 0.0)


def test_help_lists_every_command_with_its_meaning() -> None:
    lines = answer(["help"], Node(), 0.0).splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        "cluster arp show",
        "cluster duravip announce view",
        "cluster help",
    ]
    assert all(line.split("  ")[1] for line in lines)


@pytest.mark.parametrize(("words", "advice"), [("arp shw", "did you mean `cluster arp show`"), ("x", "cluster help")])
def test_an_unknown_command_gets_a_suggestion(words: str, advice: str) -> None:
    with pytest.raises(CommandRefused, match=advice):
        answer(words.split(), Node(), 0.0)


async def test_over_the_socket(tmp_path: Path) -> None:
    desk = ClusterDesk(Node(), frozenset({os.getuid()}), lambda: 100.0)
    path = tmp_path / clusterdesk.SOCKET
    await desk.listen(path)
    try:
        assert "43s" in await asyncio.to_thread(clusterdesk.ask, path, ["ARP", "show"])
        with pytest.raises(CommandRefused, match="no command"):
            await asyncio.to_thread(clusterdesk.ask, path, ["arp"])
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"garbage\n")
        assert b"error" in await reader.readline()
        writer.close()
        await writer.wait_closed()
    finally:
        desk.close()


async def test_nobody_else_is_answered(tmp_path: Path) -> None:
    desk = ClusterDesk(Node(), frozenset({os.getuid() + 1}))
    await desk.listen(tmp_path / "s")
    try:
        with pytest.raises((json.JSONDecodeError, OSError)):  # the connection is closed
            await asyncio.to_thread(clusterdesk.ask, tmp_path / "s", ["help"])
    finally:
        desk.close()
