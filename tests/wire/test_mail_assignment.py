"""Which binding mail takes in a running node: rules, a policy file, groups, refusals."""

import json
import smtplib
from pathlib import Path

import pytest

from tests.support.mailnode import MailNode

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
