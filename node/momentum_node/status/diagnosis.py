"""One verdict from a node's report: what is wrong, the worst first, and what to look at. Pure.

diagnose(report)  ->  [Finding(broken, "2/3 …"), …]       none: the node is well
"""

from collections.abc import Iterator
from dataclasses import dataclass

from momentum_node.status.report import Report


@dataclass(frozen=True, slots=True)
class Finding:
    """`is_broken`: the node cannot do its work; else it works, and something needs attention."""

    is_broken: bool
    text: str


def diagnose(report: Report) -> list[Finding]:
    """All findings; broken ones first, otherwise in the order bus, addresses, mail, configuration."""
    found = [*_bus(report), *_addresses(report), *_mail(report), *_configuration(report)]
    return sorted(found, key=lambda finding: not finding.is_broken)


def verdict(findings: list[Finding]) -> str:
    """The one line to read at night."""
    if not findings:
        return "well: a member of a quorate ring, addresses served, mail accepted"
    rest = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return f"{'BROKEN' if findings[0].is_broken else 'attention'}: {findings[0].text}{rest}"


def _bus(report: Report) -> Iterator[Finding]:
    bus = report["bus"]
    if bus["problem"]:
        yield Finding(True, f"the bus: {bus['problem']}")
    if bus["silentSeconds"]:
        silent = f"nothing of ours came back from the bus for {bus['silentSeconds']} s"
        yield Finding(True, f"{silent}: the ring stands still, or Corosync does")
    if report["state"] != "RUN":
        yield Finding(True, f"the node is in state {report['state']}: it holds no addresses until it is a full member")
    if not report["quorate"]:
        seen = f"this node sees {report['quorum']} nodes on the ring"
        yield Finding(True, f"{seen}, no majority: the others hold the addresses, or nobody does")
    for link in bus["links"]:
        if not link["connected"] and link["node"] in bus["ring"]:
            advice = "look at cables, filters and UDP 5405 between the two"
            yield Finding(False, f"no link to {link['node']}, which is on the ring through others: {advice}")
        elif not link["connected"]:
            yield Finding(False, f"{link['node']} is not on the ring and has no link: it is down or cut off")


def _addresses(report: Report) -> Iterator[Finding]:
    for vip in report["vips"]:
        if vip["problem"]:
            yield Finding(False, f"{vip['address']}: {vip['problem']}")
        elif vip["owner"] is None and report["quorate"]:
            yield Finding(False, f"{vip['address']} has no owner: {vip['reason']}")


def _mail(report: Report) -> Iterator[Finding]:
    if not report["mail"]["accepting"]:
        yield Finding(True, "no mail worker accepts: see the log of the container mail")


def _configuration(report: Report) -> Iterator[Finding]:
    errors = report["configuration"]["errors"]
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        yield Finding(False, f"the new configuration is not used, the old one stays: {errors[0]}{more}")
