"""A whole node whose file is replaced: what its sockets, its DuraVIPs and its report make of it."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.support.nexthop import NextHop, next_hop
from tests.support.ownnetwork import in_own_network, ip
from tests.support.talk import Talk
from tests.support.wholenode import ADDRESS, WholeNode

pytestmark = [
    pytest.mark.netns,
    pytest.mark.timeout(400),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a network namespace"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]
VIP = "198.18.0.41"
TEXT = """
Hostname = "mx.test"
Security {{ User = "root" Group = "root" }}
Relay_Hosts = ( "127.0.0.0/8" "198.18.0.0/15" )
Gateway = "{gateway}"
Mail_Workers = 1
{more}
ESMTP_Listener {{ {listens} }}
cluster {{
  nodeaddr = "198.18.0.1" view_mature_time = 0 partition_policy = both
  Topology "198.18.0.0/24" {{ interface = "eth0" }}
}}
"""


FIRST = 'Listen "*:2525" {} Listen "127.0.0.1:587" {}'


class Story:
    """A node, its next hop, and what one asks of both."""

    def __init__(self, node: WholeNode, hop: NextHop, gateway: str) -> None:
        self.node, self.hop, self._gateway = node, hop, gateway

    def write(self, listens: str, more: str = "") -> str:
        """Another file; the node looks by itself, each second. Returns the revision."""
        return self.node.configure(TEXT.format(gateway=self._gateway, listens=listens, more=more))

    async def use(self, listens: str, more: str = "") -> None:
        """Another file, in force."""
        revision = self.write(listens, more)
        await self.node.until(lambda report: report["configuration"]["running"] == revision)

    async def answers(self, address: str, port: int) -> None:
        """Wait until somebody greets there."""
        async with asyncio.timeout(30):
            while True:
                try:
                    talk = await Talk.to(port, address)
                except OSError:
                    await asyncio.sleep(0.05)
                    continue
                talk.close()
                if talk.greeting.startswith("220 mx.test "):
                    return

    async def refuses(self, address: str, port: int) -> None:
        """Wait until nobody listens there."""
        async with asyncio.timeout(30):
            while True:
                try:
                    talk = await Talk.to(port, address)
                except ConnectionRefusedError:
                    return
                talk.close()
                await asyncio.sleep(0.05)


def told(*stories: Callable[[Story], Awaitable[None]], more: str = "") -> None:
    """Tell them, one after the other, in a network of its own, with a node that listens on 2525 and 127.0.0.1:587."""

    async def whole() -> None:
        ip("link", "add", "eth0", "type", "veth", "peer", "name", "far")
        ip("link", "set", "far", "up")
        ip("link", "set", "eth0", "up")
        ip("address", "add", f"{ADDRESS}/24", "dev", "eth0")
        with tempfile.TemporaryDirectory() as folder:
            async with next_hop() as (hop, gateway):
                made = Story(WholeNode(Path(folder)), hop, gateway)
                made.write(FIRST, more)
                try:
                    await made.node.start()
                    for story in stories:
                        await story(made)
                except BaseException:
                    print(made.node.log()[-6000:])
                    raise
                finally:
                    await made.node.stop()

    in_own_network(whole)


def backlog(port: int) -> int:
    """What the kernel holds as the backlog of the listening socket on that port."""
    printed = subprocess.run(["ss", "-Hltn", f"sport = :{port}"], check=True, capture_output=True, text=True).stdout
    return int(printed.split()[2])


async def sockets_are_opened_closed_and_kept(story: Story) -> None:
    kept, closed = await Talk.to(2525), await Talk.to(587)
    for talk in (kept, closed):
        assert (await talk.say("EHLO client.test")).startswith("250 ")
    assert backlog(2525) == 500

    await story.use('Listen "*:2525" { Listen_Backlog = 77 } Listen "127.0.0.1:2526" {}')
    await story.answers("127.0.0.1", 2526)
    await story.refuses("127.0.0.1", 587)
    assert await closed.say("MAIL FROM:<a@x.test>") == "421 4.3.2 Reconfiguration in progress"
    assert await closed.is_over()

    assert [answer[:3] for answer in await kept.begins()] == ["250", "250", "354"]
    assert (await kept.ends("on a socket that stayed")).startswith("250 ")
    kept.close()
    assert backlog(2525) == 77


async def a_wildcard_and_an_address_change_places(story: Story) -> None:
    await story.use('Listen "*:2525" {}')
    await story.use(f'Listen "{ADDRESS}:2525" {{}}')
    await story.answers(ADDRESS, 2525)
    await story.refuses("127.0.0.1", 2525)
    await story.use('Listen "*:2525" {}')
    await story.answers("127.0.0.1", 2525)
    assert "it is tried again" not in story.node.log()  # in one go: what was there was closed first


async def a_bad_file_changes_nothing_and_is_told_once(story: Story) -> None:
    talk = await Talk.to(2525)
    await talk.say("EHLO client.test")
    story.node.configure("Retry_Intervall = 5\nESMTP_Listener { Listen *:25 {}")
    report = await story.node.until(lambda report: report["configuration"]["errors"])
    assert any("ecelerity.conf:" in line and "error" in line for line in report["configuration"]["errors"])
    await asyncio.sleep(3)  # it looks each second
    assert story.node.log().count("Reconfigure failed") == 1
    assert [answer[:3] for answer in await talk.begins()] == ["250", "250", "354"]
    assert (await talk.ends("unmoved")).startswith("250 ")
    talk.close()

    await story.use('Listen "*:2525" {} Listen "*:2526" {}')
    await story.answers("127.0.0.1", 2526)
    await story.node.until(lambda report: not report["configuration"]["errors"])


async def what_only_a_start_reads_is_told_once_and_stays(story: Story) -> None:
    more = 'SpoolBase = "/elsewhere" Mail_Workers = 2'
    await story.use('Listen "*:2525" {}', more)
    report = await story.node.until(lambda report: any("SpoolBase" in line for line in report["notices"]))
    assert any("restart needed: 'Mail_Workers'" in line for line in report["notices"])
    await story.use('Listen "*:2525" {} Listen "*:2526" {}', more)
    await story.answers("127.0.0.1", 2526)
    assert len(re.findall("restart needed: 'SpoolBase'", story.node.log())) == 1
    assert report["mail"]["workers"] == 1
    await story.use('Listen "*:2525" {}')
    await story.node.until(lambda report: not any("restart" in line for line in report["notices"]))


async def a_listener_whose_place_is_taken_opens_when_it_is_free(story: Story) -> None:
    with socket.create_server(("127.0.0.1", 2527)):
        await story.use('Listen "*:2525" {} Listen "127.0.0.1:2527" {}')
        await story.node.until(lambda _report: "a listener cannot be opened; it is tried again" in story.node.log())
        await story.answers("127.0.0.1", 2525)
    await story.answers("127.0.0.1", 2527)
    assert story.node.log().count("a listener cannot be opened") == 1


def _lifetime(address: str) -> int:
    """How many seconds the kernel would keep the address without a renewal."""
    listed = subprocess.run(["ip", "-j", "address"], check=True, capture_output=True, text=True)
    lifetimes: dict[str, int] = {
        entry["local"]: entry["valid_life_time"] for link in json.loads(listed.stdout) for entry in link["addr_info"]
    }
    return lifetimes[address]


async def duravips_come_and_go(story: Story) -> None:
    await story.use('Listen "127.0.0.1:2526" {}')
    listens = f'Listen "127.0.0.1:2526" {{}} Listen "{VIP}:2525" {{ Enable_Duravip = true }}'
    await story.use(listens)
    await story.answers(VIP, 2525)  # nobody had to announce anything
    report = await story.node.until(lambda report: [vip["held"] for vip in report["vips"]] == [True])
    assert report["vips"][0]["address"] == VIP
    await story.use(listens, "cluster { duravip_addr_lifetime = 60 }")
    async with asyncio.timeout(30):
        while _lifetime(VIP) <= 2:  # seconds; it was 2 and renewed
            await asyncio.sleep(0.1)
    await story.use('Listen "*:2525" {}')
    await story.node.until(lambda report: report["vips"] == [])
    await story.answers("127.0.0.1", 2525)


async def nothing_is_lost_and_counters_go_on(story: Story) -> None:
    acknowledged = []

    async def client() -> None:
        for number in range(150):
            talk = await Talk.to(2525)
            await talk.say("EHLO client.test")
            await talk.begins()
            if (await talk.ends(f"number {number}")).startswith("250 "):
                acknowledged.append(f"number {number}")
            talk.close()
            await asyncio.sleep(0.05)

    sending = asyncio.create_task(client())
    for turn in range(4):
        more = f"Mail_Workers = 2 Idle_Timeout = {turn + 1}"
        await story.use(f'Listen "*:2525" {{}} Listen "*:{2600 + turn}" {{}}', more)
        await story.answers("127.0.0.1", 2600 + turn)
        story.node.configure("this is = (((")
        await story.node.until(lambda report: report["configuration"]["errors"])
    await sending
    await story.node.until(lambda report: report["mail"]["delivered"] == len(acknowledged))
    assert story.hop.subjects() == dict.fromkeys(acknowledged, 1)
    assert len(acknowledged) == 150
    report = await story.node.until(lambda report: report["mail"]["queued"] == 0)
    assert (report["mail"]["received"], report["mail"]["failed"]) == (150, 0)


async def printed(story: Story, *words: str) -> tuple[int | None, str]:
    """What a command of `momentum-node` says to this node, and its exit status."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "momentum_node", *words),
        env={**os.environ, "MOMENTUM_RUN": str(story.node.folder / "run")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def clients_are_counted_when_that_is_asked_for(story: Story) -> None:
    question = ("inbound_audit", "show", "ip", "127.0.0.0/8")
    code, said = await printed(story, *question)
    assert (code, "this node counts nothing" in said) == (1, True)
    await story.use('Listen "*:2525" {}', 'inbound_audit { Monitors = ( "86400,1" ) }')
    async with asyncio.timeout(60):
        while True:  # the worker reads the file after the core
            talk = await Talk.to(2525)
            code, said = await printed(story, *question)
            if code == 0 and re.search("^Connections 86400/[01]: [1-9]", said, re.MULTILINE):
                break
            talk.close()
    code, said = await printed(story, "count", "smtp", "127.0.0.1")
    assert (code, said.split()[1]) == (0, "127.0.0.1/32")
    assert int(said.split()[0]) >= 1
    talk.close()


def test_sockets_are_opened_closed_and_kept() -> None:
    told(
        sockets_are_opened_closed_and_kept,
        a_wildcard_and_an_address_change_places,
        a_listener_whose_place_is_taken_opens_when_it_is_free,
    )


def test_a_bad_file_and_what_only_a_start_reads_are_told_once() -> None:
    told(
        a_bad_file_changes_nothing_and_is_told_once,
        what_only_a_start_reads_is_told_once_and_stays,
        clients_are_counted_when_that_is_asked_for,
    )


def test_duravips_come_and_go() -> None:
    told(duravips_come_and_go)


def test_nothing_is_lost_and_counters_go_on() -> None:
    told(nothing_is_lost_and_counters_go_on, more="Mail_Workers = 2")
