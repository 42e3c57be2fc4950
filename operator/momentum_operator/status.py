"""Status of the resource and of its DuraVIP objects, and the events that tell what changed; written only on change."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from momentum_operator import names, reasons
from momentum_operator.actions import Action, ApplyStatus, Emit
from momentum_operator.conditions import judge, stamp
from momentum_operator.facts import Facts, some
from momentum_operator.observe import Observed
from momentum_operator.ring import RingMember
from momentum_operator.view import VipTruth

MOST_EVENTS = 10
"""More addresses than that moving at once are told in one event for each new owner."""
CONFLICT_AFTER_S = 3.0
"""A problem that outlives the kernel's lease of an address that was lost (2 s, and one more) is somebody's mistake."""


def tell(observed: Observed, facts: Facts) -> list[Action]:
    """Everything people should learn now: DuraVIP objects first, then the summary."""
    status = cluster_status(observed, facts)
    actions: list[Action] = [*_vips(observed, facts), *_configuration_events(observed, status)]
    if status != observed.status:
        actions.append(ApplyStatus(_identified("MomentumCluster", observed.who.name, observed, status)))
    return actions


def cluster_status(observed: Observed, facts: Facts) -> dict[str, Any]:
    """The status of the MomentumCluster."""
    served = sum(truth.is_served for truth in facts.truths)
    ready = sum(facts.missing(member) is None for member in facts.members)
    before = observed.status.get("conditions") or []
    return {
        "observedGeneration": observed.generation,
        "revision": facts.revision,
        "nodesReady": f"{ready}/{len(facts.members)}",
        "vipsServed": f"{served}/{len(facts.addresses)}",
        "quorum": facts.view.quorum or "unknown",
        "conditions": stamp(judge(facts), before, observed.now, observed.generation),
        "nodes": [_node(member, facts) for member in facts.members],
        **({"arbiter": facts.roster.arbiter.kubernetes_name} if facts.roster.arbiter else {}),
    }


def vip_status(truth: VipTruth, before: Mapping[str, Any], now: str) -> dict[str, Any]:
    """The status of a DuraVIP. `since` stays while the owner does: a node that joins late saw the move later."""
    status: dict[str, Any] = {
        "reason": truth.reason,
        "heldBy": list(truth.held_by),
        "holderCount": len(truth.held_by),
    }
    if truth.owner is not None:
        stays = before.get("owner") == truth.owner and before.get("since")
        status["owner"] = truth.owner
        status["since"] = before["since"] if stays else truth.since
    if truth.problem:
        since = before.get("problemSince") or now
        status |= {"problem": truth.problem, "problemSince": since}
        if _seconds(since, now) >= CONFLICT_AFTER_S:
            status["conflictSince"] = since
    return status


def _seconds(since: str, until: str) -> float:
    return (datetime.fromisoformat(until) - datetime.fromisoformat(since)).total_seconds()


def _node(member: RingMember, facts: Facts) -> dict[str, Any]:
    report = facts.reports.get(member.name)
    told: dict[str, Any] = {
        "name": member.kubernetes_name,
        "id": member.node_id,
        "address": member.address,
        "state": report["state"] if report else "Unreachable",
    }
    if report:
        told["revision"] = report["configuration"]["running"]
        told["vips"] = [vip["address"] for vip in report["vips"] if vip["held"]]
    if problem := facts.missing(member):
        told["problem"] = problem
    return told


def _vips(observed: Observed, facts: Facts) -> list[Action]:
    moves: dict[str, list[VipTruth]] = {}
    actions: list[Action] = []
    for truth in facts.truths:
        live = observed.duravips.get(truth.address)
        before = (live or {}).get("status") or {}
        status = vip_status(truth, before, observed.now)
        if status == before:
            continue
        name = names.duravip(observed.who.name, truth.address)
        actions.append(ApplyStatus(_identified("DuraVIP", name, observed, status)))
        if truth.owner and truth.owner != before.get("owner"):
            moves.setdefault(truth.owner, []).append(truth)
        if "conflictSince" in status and "conflictSince" not in before:
            actions.append(Emit(reasons.VIP_CONFLICT, f"{truth.address} on {truth.owner}: {truth.problem}", True))
    return [*actions, *_moves(observed, moves)]


def _moves(observed: Observed, moves: Mapping[str, list[VipTruth]]) -> Iterable[Emit]:
    for owner in sorted(moves):
        truths = moves[owner]
        if len(truths) > MOST_EVENTS:
            addresses = some((truth.address for truth in truths), 5)
            yield Emit(reasons.VIPS_MOVED, f"{len(truths)} addresses to {owner}: {addresses}")
            continue
        for truth in truths:
            live = observed.duravips.get(truth.address) or {}
            source = (live.get("status") or {}).get("owner") or "nobody"
            yield Emit(reasons.VIP_MOVED, f"{truth.address} from {source} to {owner}: {truth.reason}")


def _configuration_events(observed: Observed, status: Mapping[str, Any]) -> Iterable[Emit]:
    before = _condition(observed.status, reasons.CONFIG_ACCEPTED)
    after = _condition(status, reasons.CONFIG_ACCEPTED)
    if after.get("status") == "False" and after.get("message") != before.get("message"):
        yield Emit(reasons.CONFIG_REJECTED, after["message"], is_warning=True)
    if after.get("reason") == reasons.ACCEPTED and before.get("reason") in _BEFORE_LOADED:
        yield Emit(reasons.CONFIG_LOADED, after["message"])


_BEFORE_LOADED = {reasons.LOADING, reasons.INVALID, reasons.REFUSED_BY_NODE}


def _condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    return next((c for c in status.get("conditions") or [] if c["type"] == kind), {})


def _identified(kind: str, name: str, observed: Observed, status: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": names.API_VERSION,
        "kind": kind,
        "metadata": {"name": name, "namespace": observed.who.namespace},
        "status": dict(status),
    }
