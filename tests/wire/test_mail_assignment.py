"""Which binding mail takes in a running node: rules, a policy file, groups, refusals."""

import json
import smtplib
from ipaddress import ip_address
from pathlib import Path

import pytest

from momentum_node.logs.events import Delayed
from momentum_node.mmove.owners import told
from tests.support.mailnode import MailNode
from tests.support.nexthop import next_hop
from tests.support.tellingnode import TellingNode

pytestmark = pytest.mark.timeout(60)

BINDINGS = """
Suspend_Delivery = true
Binding_Group "bulk" {
  Binding "here" { Bind_Address = "127.0.0.1" }
  Binding "nowhere" { Bind_Address = "203.0.113.9" }
}
Binding "subject" { Bind_Address = "127.0.0.1" }
regex_binding2 "rules" { subject = "header:Subject =~ 'ruled'" }
"""
POLICY = """
def assign(message, session):
    subject = message.header("Subject")
    if subject == "hang":
        import time
        time.sleep(1.5)
    if subject == "fail":
        raise RuntimeError(subject)
    return "bulk" if subject == "policy" else None
"""


async def bindings_of(node: MailNode, *subjects: str) -> list[str]:
    """The bindings of these messages, submitted one after the other."""
    for subject in subjects:
        await node.submit(subject, sender=f"{subject.replace(' ', '-')}@x.test")
    listed = [json.loads(line) for line in node.listed().splitlines()]
    by_sender = {entry["sender"]: entry["binding"] for entry in listed}
    return [by_sender[f"{subject.replace(' ', '-')}@x.test"] for subject in subjects]


async def test_policy_then_rules_then_default_and_a_failing_policy_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "policy.py").write_text(POLICY)
    node = MailNode(tmp_path, "127.0.0.1:9", more=f'{BINDINGS}\nPolicy_File = "{tmp_path}/policy.py"')
    await node.start()
    try:
        found = await bindings_of(node, "policy", "ruled", "fail", "plain", "hang")
    finally:
        await node.stop()
    assert found == ["here", "subject", "default", "default", "default"]


async def test_without_a_binding_mail_is_refused_for_now(tmp_path: Path) -> None:
    node = MailNode(tmp_path, "127.0.0.1:9", more=f"{BINDINGS}\nDefault_Binding = none")
    await node.start()
    try:
        assert await bindings_of(node, "ruled") == ["subject"]
        with pytest.raises(smtplib.SMTPDataError) as refused:
            await node.submit("plain")
    finally:
        await node.stop()
    assert refused.value.smtp_code == 451


async def test_mail_of_a_binding_whose_address_is_nowhere_waits(tmp_path: Path) -> None:
    """And no try is counted: it leaves when the binding has an address that is here."""
    binding = 'Binding "moves" {{ Bind_Address = "{}" Match_Domain = ( "x.test" ) }}'
    async with next_hop() as (hop, gateway):
        node = TellingNode(tmp_path, gateway, more=binding.format("203.0.113.9"))
        await node.start()
        try:
            await node.submit("waits")
            await node.submit("goes", sender="a@other.test")
            await node.until(lambda: hop.content)
            assert set(hop.subjects()) == {"goes"}
            node.configure(gateway, more=binding.format("127.0.0.1"))
            node.core.reload("2")
            await node.until(lambda: "waits" in hop.subjects())
            assert not any(isinstance(event, Delayed) for event in node.told)
        finally:
            await node.stop()


GROUP = """
Binding_Group "bulk" {
  Binding "b1" { Bind_Address = "198.18.0.1" Enable_Duravip = true }
  Binding "b2" { Bind_Address = "198.18.0.2" Enable_Duravip = true }
}
regex_binding2 "rules" { "group:bulk" = "rcptto =~ '@'" }
Cluster { Topology "198.18.0.0/24" { CidrMask = "32" Interface = "lo" } }
"""


async def test_a_group_passes_over_an_address_that_nobody_owns(tmp_path: Path) -> None:
    node = TellingNode(tmp_path, "127.0.0.1:9", more=GROUP)
    await node.start()
    try:
        node.core.tell_owners(told({"n2": [ip_address("198.18.0.2")]}, ("n1", "n2")))
        await node.until(lambda: not node.worker.assigner.state("b1").has_owner)
        assert await bindings_of(node, *map(str, range(10))) == ["b2"] * 10
        node.core.tell_owners(told({"n1": [ip_address("198.18.0.1")]}, ("n1", "n2")))
        await node.until(lambda: node.worker.assigner.state("b1").has_owner)
        assert set(await bindings_of(node, *map(str, range(10, 20)))) == {"b1"}
    finally:
        await node.stop()
