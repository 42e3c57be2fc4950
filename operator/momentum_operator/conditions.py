"""The conditions of a MomentumCluster: each is an ordered chain of small checks; the first finding is told."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_interface
from typing import Any

from momentum_node.status.report import Report
from momentum_operator import reasons
from momentum_operator.facts import Facts, some


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: `status` "False" (it is not so) or "Unknown" (nobody could say)."""

    reason: str
    message: str
    status: str = "False"


Check = Callable[[Facts], Finding | None]


def spec_is_valid(facts: Facts) -> Finding | None:
    """Every check of the spec itself."""
    if not facts.problems:
        return None
    untouched = "; the nodes go on with what they had" if facts.is_running_another else ""
    return Finding(reasons.INVALID, some(map(str, facts.problems)) + untouched)


def no_node_refuses(facts: Facts) -> Finding | None:
    """Nodes check the text once more."""
    told = [f"{name}: {error}" for name, r in sorted(facts.reports.items()) for error in r["configuration"]["errors"]]
    return Finding(reasons.REFUSED_BY_NODE, some(told)) if told else None


def a_spec_runs(facts: Facts) -> Finding | None:
    """Nodes and addresses are those of a spec that was accepted; without one there is nothing to say of them."""
    if facts.is_deleting:
        return Finding(reasons.DELETING, "the cluster is being deleted", "Unknown")
    if facts.revision:
        return None
    return Finding(reasons.NOTHING_ACCEPTED, "no spec was accepted yet: see ConfigAccepted", "Unknown")


def nodes_are_selected(facts: Facts) -> Finding | None:
    """Without nodes nothing can run."""
    if facts.members:
        return None
    why = f": {some(facts.roster.outside)}" if facts.roster.outside else ": label nodes as spec.nodes.selector says"
    return Finding(reasons.NO_NODES, f"no Kubernetes node can be used{why}")


def nodes_are_usable(facts: Facts) -> Finding | None:
    """Nodes that the selector means and that cannot be in the list."""
    return Finding(reasons.NODES_MISSING, some(facts.roster.outside)) if facts.roster.outside else None


def nodes_answer(facts: Facts) -> Finding | None:
    """Each node of the list runs and reports."""
    missing = [f"{m.kubernetes_name} {why}" for m in facts.members if (why := facts.missing(m))]
    if not missing:
        return None
    return Finding(
        reasons.NODES_MISSING if facts.reports else reasons.WAITING_FOR_NODES,
        f"{len(facts.members) - len(missing)} of {len(facts.members)} nodes take part: {some(missing)}",
    )


def somebody_reports(facts: Facts) -> Finding | None:
    """Without a report nothing is known."""
    return None if facts.reports else Finding(reasons.WAITING_FOR_NODES, "no node reports yet", "Unknown")


def interfaces_are_there(facts: Facts) -> Finding | None:
    """Each network's NIC exists and is up on each node that reports."""
    missing = [text for name, report in sorted(facts.reports.items()) for text in _interfaces(facts, name, report)]
    return Finding(reasons.INTERFACE_MISSING, some(missing)) if missing else None


def _interfaces(facts: Facts, name: str, report: Report) -> Iterable[str]:
    nics = {nic["name"]: nic for nic in report["interfaces"]}
    if not nics:
        return
    for index, entry in enumerate(facts.networks):
        nic = nics.get(entry.interface)
        if nic is None:
            yield f"{name} has no interface {entry.interface} (spec.networks[{index}].interface)"
        elif not nic["up"]:
            yield f"{entry.interface} of {name} is down"
        elif not any(ip_interface(text).ip in entry.network for text in nic["addresses"]):
            yield f"{entry.interface} of {name} has no address in {entry.network}: is it on that network?"


def nodes_use_the_bus_key(facts: Facts) -> Finding | None:
    """A node with another key is alone on a ring of its own. While the key is replaced, all may differ."""
    key = facts.bus_key
    if key is None or key.stage:
        return None
    told = {name: report["bus"].get("key") for name, report in sorted(facts.reports.items())}
    strange = [name for name, its in told.items() if its is not None and its["inForce"] != key.current]
    if not strange:
        return None
    return Finding(reasons.BUS_KEY_DIFFERS, f"{some(strange)}: another bus key than the Secret's is in use there")


def members_agree(facts: Facts) -> Finding | None:
    """All who answer tell of the same view."""
    if facts.view.is_shared:
        return None
    views = sorted({" ".join(sorted(m["name"] for m in r["members"])) or "nobody" for r in facts.reports.values()})
    return Finding(reasons.VIEWS_DIFFER, "nodes see different members: " + some(f"({view})" for view in views))


def view_is_quorate(facts: Facts) -> Finding | None:
    """The view may own addresses."""
    if facts.view.is_quorate:
        return None
    return Finding(reasons.NO_QUORUM, f"{facts.view.quorum} nodes are on the bus: too few to own addresses")


def everybody_is_member(facts: Facts) -> Finding | None:
    """Each node of the list is in the view."""
    away = [member.name for member in facts.members if member.name not in facts.view.members]
    if not away:
        return None
    return Finding(reasons.NODES_MISSING, f"{some(away)} not among the members; {facts.view.quorum} on the bus")


def every_vip_has_an_owner(facts: Facts) -> Finding | None:
    """The members agree on an owner for each address."""
    lost = [f"{truth.address} has no owner: {truth.reason}" for truth in facts.truths if truth.owner is None]
    return Finding(reasons.VIP_WITHOUT_OWNER, some(lost)) if lost else None


def no_vip_is_held_twice(facts: Facts) -> Finding | None:
    """Two holders answer for one address."""
    twice = [f"{truth.address} is on {', '.join(truth.held_by)}" for truth in facts.truths if len(truth.held_by) > 1]
    return Finding(reasons.VIP_HELD_TWICE, some(twice)) if twice else None


def every_vip_is_served(facts: Facts) -> Finding | None:
    """Each owner has its addresses on the NIC."""
    idle = [
        f"{truth.address} belongs to {truth.owner}, which does not serve it"
        + (f": {truth.problem}" if truth.problem else " yet")
        for truth in facts.truths
        if not truth.is_served
    ]
    return Finding(reasons.VIP_NOT_SERVED, some(idle)) if idle else None


def nobody_deletes(facts: Facts) -> Finding | None:
    """The resource is to stay."""
    if not facts.is_deleting:
        return None
    left = sorted(pod.node for pod in facts.pods)
    return Finding(reasons.DELETING, f"waiting for the nodes to leave: {some(left)}" if left else "being deleted")


CONFIG: tuple[Check, ...] = (spec_is_valid, no_node_refuses)
NODES: tuple[Check, ...] = (a_spec_runs, nodes_are_selected, nodes_are_usable, nodes_answer)
HOST: tuple[Check, ...] = (somebody_reports, interfaces_are_there, nodes_use_the_bus_key)
MEMBERSHIP: tuple[Check, ...] = (somebody_reports, view_is_quorate, members_agree, everybody_is_member)
VIPS: tuple[Check, ...] = (a_spec_runs, no_vip_is_held_twice, every_vip_has_an_owner, every_vip_is_served)
READY: tuple[Check, ...] = (nobody_deletes, *CONFIG, *NODES, *MEMBERSHIP, *VIPS)


def judge(facts: Facts) -> list[dict[str, Any]]:
    """Every condition, without times, in the order in which people read them."""
    nodes, addresses = len(facts.members), len(facts.addresses)
    told = [
        _condition(reasons.READY, READY, facts, f"{nodes} nodes, {addresses} addresses, as declared"),
        _condition(reasons.CONFIG_ACCEPTED, CONFIG, facts, *_accepted(facts)),
        _condition(reasons.NODES_AVAILABLE, NODES, facts, f"all {nodes} nodes take part"),
        _condition(reasons.HOST_READY, HOST, facts, "nothing in the way"),
        _condition(reasons.MEMBERSHIP_AGREED, MEMBERSHIP, facts, f"all see the same members, {facts.view.quorum}"),
        _condition(reasons.VIPS_ASSIGNED, VIPS, facts, f"each of {addresses} addresses is on the NIC of its owner"),
    ]
    if facts.roster.too_many:
        message = f"a cluster has 32 nodes at most; without a pod: {some(facts.roster.too_many)}"
        told.append({"type": reasons.TOO_MANY_NODES, "status": "True", "reason": "TooManyNodes", "message": message})
    if facts.roster.excluded:
        taken = (f"{node} belongs to {cluster}" for node, cluster in sorted(facts.roster.excluded.items()))
        told.append({"type": reasons.NODE_IN_USE, "status": "True", "reason": "NodeInUse", "message": some(taken)})
    if facts.rotation:
        reason = "InStages"
        told.append({"type": reasons.BUS_KEY_ROTATING, "status": "True", "reason": reason, "message": facts.rotation})
    return told


def stamp(
    told: Iterable[Mapping[str, Any]], before: Iterable[Mapping[str, Any]], now: str, generation: int
) -> list[dict[str, Any]]:
    """The conditions with times: a transition time stays unless the status flipped."""
    known = {condition["type"]: condition for condition in before}
    stamped = []
    for condition in told:
        old = known.get(condition["type"])
        is_same = old is not None and old["status"] == condition["status"]
        since = old["lastTransitionTime"] if old and is_same else now
        stamped.append({**condition, "lastTransitionTime": since, "observedGeneration": generation})
    return stamped


def _accepted(facts: Facts) -> tuple[str, str]:
    """What to say of a configuration that is right: where it runs, and what in it is not acted on."""
    running = [r for r in facts.reports.values() if r["configuration"]["running"] == facts.revision]
    text = f"revision {facts.revision[:12]} runs on {len(running)} of {len(facts.members)} nodes"
    notices = f"; {some(facts.notices, 2)}" if facts.notices else ""
    is_loaded = bool(running) and len(running) == len(facts.reports)  # a lost node is told of elsewhere
    return text + notices, reasons.ACCEPTED if is_loaded else reasons.LOADING


def _condition(
    kind: str, checks: Iterable[Check], facts: Facts, good: str, reason: str = reasons.AS_DECLARED
) -> dict[str, Any]:
    finding = next((found for check in checks if (found := check(facts))), None)
    if finding is None:
        return {"type": kind, "status": "True", "reason": reason, "message": good}
    return {"type": kind, "status": finding.status, "reason": finding.reason, "message": finding.message}
