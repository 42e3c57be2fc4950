"""The story of the demo: a cluster comes up, takes mail, loses the node that owns the address, and gets it back."""

import asyncio
import json
import secrets
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from demo.timeline import Timeline
from momentum_node.errors import MomentumError
from momentum_node.status import reader
from momentum_node.status.report import Report
from momentum_operator import rendering
from momentum_operator.settings import Settings
from tests.support import poller
from tests.support.addresswatch import AddressWatch, Change
from tests.support.lab import Host, Lab
from tests.support.labnode import LabNode

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "cluster.yaml"
NODES = {"n1": 1, "n2": 2, "n3": 3}
CLIENT = 254
SINK_PORT = 2525
VIP = "198.18.0.41"
OTHER_VIP = "198.18.0.42"
START_LIMIT_S = 30.0


class StoryError(MomentumError):
    """Something that must happen did not."""


class Story:
    """The stage: hosts, nodes, client, sink, and everybody who watches."""

    def __init__(self, directory: Path, engine: str) -> None:
        self.directory = directory
        self.engine = engine
        self.timeline = Timeline()
        self.nodes: dict[str, LabNode] = {}
        self.reports: dict[str, Report] = {}
        self._sent = 0

    # -- setting the stage -----------------------------------------------------------------------

    def set_up(self, stack: ExitStack) -> None:
        """Hosts, files, watchers; nothing runs yet."""
        lab = self.lab = stack.enter_context(Lab())
        hosts = {name: lab.add(name, number) for name, number in NODES.items()}
        self.client = lab.add("client", CLIENT)
        ring = ",".join(f"{host.name}={host.address}" for host in hosts.values())
        resource = rendering.read_resource(EXAMPLE)
        files = rendering.render_resource(resource, rendering.parse_nodes(ring), Settings()).files
        key = secrets.token_bytes(256)
        for host in hosts.values():
            node = self.nodes[host.name] = LabNode(
                host,
                self.directory / host.name,
                self._engine_place(),
            )
            node.write(files, key)
            stack.callback(node.kill)
            stack.callback(AddressWatch(host, self._address_changed).close)

    def _engine_place(self) -> str:
        return "corosync" if self.engine == "corosync" else str(self.directory / "bus.sock")

    def _address_changed(self, change: Change) -> None:
        if change.address in (VIP, OTHER_VIP):
            verb = "is on the NIC of" if change.held else "is gone from the NIC of"
            self.timeline.note(f"{change.address} {verb} {change.host}", change.at)

    def follow(self, node: LabNode) -> None:
        """Read the node's report whenever it changes, in a thread of its own."""

        async def read() -> None:
            async for report in reader.follow(node.directory / "run" / "status.sock"):
                if report is not None:
                    self._report_changed(node.host.name, report)

        threading.Thread(target=lambda: asyncio.run(read()), daemon=True).start()

    def _report_changed(self, name: str, report: Report) -> None:
        before = self.reports.get(name)
        self.reports[name] = report
        members = sorted(member["name"] for member in report["members"])
        if before is None or members != sorted(member["name"] for member in before["members"]):
            quorum = f"{report['quorum']}, {'quorate' if report['quorate'] else 'not quorate'}"
            self.timeline.note(f"{name} sees {' '.join(members) or 'nobody'} ({quorum})")
        for vip in report["vips"]:
            old = next((v for v in before["vips"] if v["address"] == vip["address"]), None) if before else None
            if vip["held"] and (old is None or not old["held"]):
                self.timeline.note(f"{name} serves {vip['address']}: {vip['reason']}")

    def wait_for(self, what: str, limit_s: float, is_so: Callable[[], object]) -> None:
        """Wait until `is_so()`; raises `StoryError` with the nodes' logs' whereabouts."""
        deadline = time.monotonic() + limit_s
        while not is_so():
            if time.monotonic() > deadline:
                raise StoryError(f"{what} did not happen within {limit_s:.0f} s")
            time.sleep(0.01)

    def owner(self, address: str = VIP) -> str | None:
        """Who has the address on its NIC, by the kernel's word, if it is one host."""
        holders = [name for name, node in self.nodes.items() if address in node.host.addresses()]
        return holders[0] if len(holders) == 1 else None

    # -- the client ------------------------------------------------------------------------------

    @contextmanager
    def sink(self) -> Iterator[None]:
        """The next hop, on the client's host."""
        argv = ["demo.sink", "--host", self.client.address, "--port", str(SINK_PORT), "--output", str(self._taken)]
        process = self._module(self.client, argv)
        try:
            self.wait_for("the sink listens", 10, self._taken.exists)
            yield
        finally:
            process.terminate()
            process.wait()

    @property
    def _taken(self) -> Path:
        return self.directory / "taken"

    @property
    def _acknowledged(self) -> Path:
        return self.directory / "acknowledged"

    def _module(self, host: Host, argv: list[str]) -> subprocess.Popen[bytes]:
        return host.start([sys.executable, "-m", *argv], output=subprocess.DEVNULL)

    def send(self, count: int, pause_s: float = 0.0) -> subprocess.Popen[bytes]:
        """Start sending `count` messages to the address."""
        argv = ["demo.sender", "--to", VIP, "--first", str(self._sent), "--count", str(count)]
        self._sent += count
        return self._module(self.client, [*argv, "--pause", str(pause_s), "--output", str(self._acknowledged)])

    def poll(self, seconds: float) -> tuple[subprocess.Popen[bytes], Path]:
        """Start asking the address every 5 ms."""
        output = self.directory / f"answers-{time.monotonic_ns()}"
        argv = ["tests.support.poller", VIP, "--seconds", str(seconds), "--output", str(output)]
        return self._module(self.client, argv), output

    def acknowledged(self) -> set[str]:
        """Subjects the client got a 250 for."""
        return set(self._acknowledged.read_text().splitlines()) if self._acknowledged.exists() else set()

    def taken(self) -> list[tuple[str, str]]:
        """(subject, peer address) of each message the next hop took."""
        lines = [json.loads(line) for line in self._taken.read_text().splitlines()]
        return [(line["subject"], line["peer"]) for line in lines]

    def queued(self) -> str:
        """How much mail waits on each node."""
        return ", ".join(f"{name} {self.reports[name]['mail']['queued']}" for name in sorted(self.reports))


def tell(directory: Path, engine: str, messages: int) -> int:
    """The whole story; 0 when it ended well. Everything it started is gone afterwards, also when it failed."""
    story = Story(directory, engine)
    try:
        with ExitStack() as stack:
            story.set_up(stack)
            stack.enter_context(story.sink())
            _come_up(story)
            _take_mail(story, messages)
            _lose_the_owner(story, messages)
            _come_back(story)
            _hand_over(story)
    except StoryError as error:
        story.timeline.say(f"\nThe demo failed: {error}")
        for node in story.nodes.values():
            story.timeline.say(f"--- {node.host.name}\n{node.log_text()[-3000:]}")
        return 1
    return 0


def _come_up(story: Story) -> None:
    bus = "real Corosync, profile Fast" if story.engine == "corosync" else "the embedded engine (no Corosync here)"
    story.timeline.heading(f"Three nodes on one wire, in network namespaces of this machine. Bus: {bus}.")
    begin = time.monotonic()
    for node in story.nodes.values():
        node.start()
        story.follow(node)
    story.wait_for("both addresses have one owner", START_LIMIT_S, lambda: story.owner() and story.owner(OTHER_VIP))
    story.wait_for("mail is taken", START_LIMIT_S, lambda: all(r["mail"]["accepting"] for r in story.reports.values()))
    time.sleep(0.2)
    story.timeline.show(begin, time.monotonic())


def _take_mail(story: Story, messages: int) -> None:
    story.timeline.heading(f"{messages} messages to {VIP}; the next hop is the client's own host.")
    begin = time.monotonic()
    _finish(story, story.send(messages))
    sent_s = time.monotonic() - begin
    _wait_for_delivery(story)
    peers = Counter(peer for _, peer in story.taken())
    story.timeline.say(f"  acknowledged in {sent_s:.2f} s ({messages / sent_s:.0f}/s, each on disk before its 250)")
    for peer, count in sorted(peers.items()):
        story.timeline.say(f"  {count} delivered, from {peer}")


def _lose_the_owner(story: Story, messages: int) -> None:
    owner = story.owner()
    assert owner is not None
    polling, output = story.poll(6.0)
    sending = story.send(messages, pause_s=0.005)
    time.sleep(1.5)
    if story.engine == "corosync":
        story.timeline.heading(f"The cable of {owner} is cut, under load.")
        cut = time.monotonic()
        story.lab.cut(owner)
    else:
        story.timeline.heading(f"Every process of {owner} is killed, under load.")
        cut = time.monotonic()
        story.nodes[owner].kill()
    polling.wait()
    _finish(story, sending)
    gap_s, began = poller.longest_gap(poller.read(output))
    story.timeline.note("last answer the client got", began)
    story.timeline.note("first answer from the new owner", began + gap_s)
    story.timeline.show(cut - 0.1, cut + 4.0)
    story.timeline.say(f"  The client was without an answer for {1000 * gap_s:.0f} ms.")
    story.timeline.say(f"  Mail that waits: {story.queued()}.")


def _come_back(story: Story) -> None:
    lost = next(name for name in story.nodes if name == "n1")
    story.timeline.heading(f"{lost} comes back. It prefers {VIP}, and takes it back when it was stable for 10 s.")
    begin = time.monotonic()
    if story.engine == "corosync":
        story.lab.heal(lost)
    else:
        story.nodes[lost].start()
    story.wait_for(f"{VIP} is on {lost} again", 40, lambda: story.owner() == lost)
    _wait_for_delivery(story)
    story.timeline.show(begin, time.monotonic())
    acknowledged, taken = story.acknowledged(), Counter(subject for subject, _ in story.taken())
    twice = sum(count - 1 for count in taken.values())
    story.timeline.say(f"  {len(acknowledged)} acknowledged, {len(acknowledged & set(taken))} of them delivered,")
    story.timeline.say(f"  {len(acknowledged - set(taken))} lost, {twice} delivered twice.")


def _hand_over(story: Story) -> None:
    story.timeline.heading("n1 is stopped as a pod is deleted: it hands its addresses over first.")
    polling, output = story.poll(4.0)
    time.sleep(1.0)
    begin = time.monotonic()
    story.nodes["n1"].stop()
    polling.wait()
    story.timeline.show(begin, begin + 2.0)
    gap_s, _ = poller.longest_gap(poller.read(output))
    story.timeline.say(f"  The client was without an answer for {1000 * gap_s:.0f} ms.")
    for name in ("n2", "n3"):
        story.nodes[name].stop()
    left = [name for name, node in story.nodes.items() if {VIP, OTHER_VIP} & node.host.addresses()]
    story.timeline.say(f"\nAll nodes stopped; addresses left on NICs: {', '.join(left) or 'none'}.")


def _finish(story: Story, sending: subprocess.Popen[bytes]) -> None:
    if sending.wait() != 0:
        raise StoryError("the client could not hand in all its mail")


def _wait_for_delivery(story: Story) -> None:
    story.wait_for(
        "every acknowledged message is delivered",
        60,
        lambda: story.acknowledged() <= {subject for subject, _ in story.taken()},
    )
