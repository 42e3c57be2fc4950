"""The story of the demo: a cluster comes up, takes mail, loses the node that owns the address, and gets it back."""

import asyncio
import json
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

from demo.timeline import Timeline
from momentum_node.status import reader
from momentum_node.status.report import Report
from momentum_operator import rendering
from momentum_operator.settings import Settings
from tests.support import poller
from tests.support.addresswatch import Change
from tests.support.labcluster import LabCluster, NotSoError
from tests.support.nodetls import certify

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "cluster.yaml"
VIP = "198.18.0.41"
OTHER_VIP = "198.18.0.42"
START_LIMIT_S = 30.0


class Story:
    """The cluster in the laboratory, and what its nodes say of themselves."""

    def __init__(self, cluster: LabCluster, timeline: Timeline) -> None:
        self.cluster = cluster
        self.timeline = timeline
        self.reports: dict[str, Report] = {}

    def set_up(self) -> None:
        """Files for every node, and the next hop; nothing of ours runs yet."""
        ring = ",".join(f"{name}={node.host.address}" for name, node in self.cluster.nodes.items())
        resource = rendering.read_resource(EXAMPLE)
        files = rendering.render_resource(resource, rendering.parse_nodes(ring), Settings()).files
        self.cluster.write(lambda _name: files)
        authority = None
        for node in self.cluster.nodes.values():
            authority = certify(node.etc, json.loads(files["nodes.json"])["cluster"], authority)
        self.cluster.start_sink()

    def follow(self) -> None:
        """Read every node's report whenever it changes, in threads of their own."""
        for name, node in self.cluster.nodes.items():
            path = node.directory / "run" / "status.sock"
            threading.Thread(target=lambda n=name, p=path: asyncio.run(self._read(n, p)), daemon=True).start()

    async def _read(self, name: str, path: Path) -> None:
        async for report in reader.follow(path):
            if report is not None:
                self._report_changed(name, report)

    def _report_changed(self, name: str, report: Report) -> None:
        before = self.reports.get(name)
        self.reports[name] = report
        members = _members(report)
        if before is None or members != _members(before):
            quorum = f"{report['quorum']}, {'quorate' if report['quorate'] else 'not quorate'}"
            self.timeline.note(f"{name} sees {members or 'nobody'} ({quorum})")
        served = {vip["address"] for vip in before["vips"] if vip["held"]} if before else set()
        for vip in report["vips"]:
            if vip["held"] and vip["address"] not in served:
                self.timeline.note(f"{name} serves {vip['address']}: {vip['reason']}")

    def queued(self) -> str:
        """How much mail waits on each node."""
        return ", ".join(f"{name} {self.reports[name]['mail']['queued']}" for name in sorted(self.reports))


def _members(report: Report) -> str:
    """Those that have said who they are."""
    return " ".join(sorted(member["name"] for member in report["members"] if member["name"]))


def tell(directory: Path, engine: str, messages: int) -> int:
    """The whole story; 0 when it ended well. Everything it started is gone afterwards, also when it failed."""
    timeline = Timeline()

    def address_changed(change: Change) -> None:
        if change.address in (VIP, OTHER_VIP):
            verb = "is on the NIC of" if change.held else "is gone from the NIC of"
            timeline.note(f"{change.address} {verb} {change.node}", change.at)

    try:
        with LabCluster(directory, engine, address_changed) as cluster:
            story = Story(cluster, timeline)
            story.set_up()
            _come_up(story)
            _take_mail(story, messages)
            lost = _lose_the_owner(story, messages)
            _come_back(story, lost)
            _hand_over(story)
    except NotSoError as error:
        timeline.say(f"\nThe demo failed: {error}")
        return 1
    return 0


def _come_up(story: Story) -> None:
    cluster = story.cluster
    bus = "real Corosync, profile Fast" if cluster.engine == "corosync" else "the embedded engine (no Corosync here)"
    story.timeline.heading(f"Three nodes on one wire, in network namespaces of this machine. Bus: {bus}.")
    begin = time.monotonic()
    cluster.start()
    story.follow()
    cluster.wait_for("every node takes mail", START_LIMIT_S, cluster.accepting)
    cluster.wait_for("each address has one owner", START_LIMIT_S, lambda: all(map(cluster.owner, (VIP, OTHER_VIP))))
    time.sleep(0.2)
    story.timeline.show(begin, time.monotonic())


def _take_mail(story: Story, messages: int) -> None:
    story.timeline.heading(f"{messages} messages to {VIP}; the next hop is the client's own host.")
    begin = time.monotonic()
    _finish(story.cluster.send(VIP, messages))
    sent_s = time.monotonic() - begin
    _wait_for_delivery(story.cluster)
    story.timeline.say(f"  acknowledged in {sent_s:.2f} s ({messages / sent_s:.0f}/s, each on disk before its 250)")
    for peer, count in sorted(Counter(arrival.peer for arrival in story.cluster.taken()).items()):
        story.timeline.say(f"  {count} delivered, from {peer}")


def _lose_the_owner(story: Story, messages: int) -> str:
    cluster = story.cluster
    owner = cluster.owner(VIP)
    assert owner is not None
    polling = cluster.poll([VIP], 6.0)
    sending = cluster.send(VIP, messages, pause_s=0.005)
    time.sleep(1.5)
    if cluster.engine == "corosync":
        story.timeline.heading(f"The cable of {owner} is cut, under load.")
        cut = time.monotonic()
        cluster.lab.cut(owner)
    else:
        story.timeline.heading(f"Every process of {owner} is killed, under load.")
        cut = time.monotonic()
        cluster.nodes[owner].kill()
    answers = polling.answers()
    _finish(sending)
    gap_s, began = poller.longest_gap(answers)
    story.timeline.note("last answer the client got", began)
    story.timeline.note("first answer from the new owner", began + gap_s)
    story.timeline.show(cut, cut + 4.0, lead_s=0.05)
    story.timeline.say(f"  The client was without an answer for {1000 * gap_s:.0f} ms.")
    story.timeline.say(f"  Mail that waits: {story.queued()}.")
    return owner


def _come_back(story: Story, lost: str) -> None:
    cluster = story.cluster
    story.timeline.heading(f"{lost} comes back. It prefers {VIP}, and takes it back when it was stable for 10 s.")
    begin = time.monotonic()
    if cluster.engine == "corosync":
        cluster.lab.heal(lost)
    else:
        cluster.nodes[lost].start()
    cluster.wait_for(f"{VIP} is on {lost} again", 40, lambda: cluster.owner(VIP) == lost)
    _wait_for_delivery(cluster)
    story.timeline.show(begin, time.monotonic())
    acknowledged, taken = cluster.acknowledged(), Counter(arrival.id for arrival in cluster.taken())
    story.timeline.say(f"  {len(acknowledged)} acknowledged, {len(acknowledged & set(taken))} of them delivered,")
    twice = sum(taken.values()) - len(taken)
    story.timeline.say(f"  {len(acknowledged - set(taken))} lost, {twice} delivered twice.")


def _hand_over(story: Story) -> None:
    cluster = story.cluster
    story.timeline.heading("n1 is stopped as a pod is deleted: it hands its addresses over first.")
    polling = cluster.poll([VIP], 4.0)
    time.sleep(1.0)
    begin = time.monotonic()
    cluster.nodes["n1"].stop()
    answers = polling.answers()
    story.timeline.show(begin, begin + 2.0)
    gap_s, _ = poller.longest_gap(answers)
    story.timeline.say(f"  The client was without an answer for {1000 * gap_s:.0f} ms.")
    for name in ("n2", "n3"):
        cluster.nodes[name].stop()
    left = cluster.holders(VIP) + cluster.holders(OTHER_VIP)
    story.timeline.say(f"\nAll nodes stopped; addresses left on NICs: {', '.join(left) or 'none'}.")


def _finish(sending: subprocess.Popen[bytes]) -> None:
    if sending.wait() != 0:
        raise NotSoError("the client could not hand in all its mail")


def _wait_for_delivery(cluster: LabCluster) -> None:
    cluster.wait_for("every acknowledged message is delivered", 60, lambda: not cluster.undelivered())
