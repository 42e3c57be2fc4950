"""Observed → actions. Pure: the same observation gives the same list, and after it was carried out, an empty one.

A spec that does not pass is never applied. Its problems are told, and everything else (nodes that come and go, drifted
objects, status) goes on with the last spec that passed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any

from momentum_node.config.corosync import RingError
from momentum_operator import arbiter, names, objects
from momentum_operator.acceptance import Surroundings, Verdict, judge
from momentum_operator.actions import Action, Apply, Delete, Emit, IssueSecrets, RefreshPod, RotateKey, SetFinalizer
from momentum_operator.difference import is_as_wanted
from momentum_operator.facts import Facts, some
from momentum_operator.fields import Problem
from momentum_operator.observe import Observed, Other, Pod
from momentum_operator.reading import read
from momentum_operator.reasons import BUS_KEY_KEPT, BUS_KEY_ROTATED, POD_REPLACED
from momentum_operator.render import digest, render
from momentum_operator.ring import RingMember, give_ids
from momentum_operator.roster import Elder, Numbers, Roster, bus_address, enrol
from momentum_operator.rotation import GIVE_UP_S, Course, Step, course
from momentum_operator.settings import Settings
from momentum_operator.spec import ClusterSpec
from momentum_operator.status import tell
from momentum_operator.view import agree


@dataclass(frozen=True)
class Candidate:
    """One spec thought through: the nodes it means, the files it renders to, and whether it may run."""

    raw: Mapping[str, Any]
    spec: ClusterSpec
    roster: Roster
    files: Mapping[str, str]
    verdict: Verdict


def plan(observed: Observed, settings: Settings) -> list[Action]:
    """What to do now for a cluster that is to stay, in this order."""
    if not observed.has_finalizer:
        return [SetFinalizer(True)]
    candidate, problems = consider(observed.resource.get("spec") or {}, observed, settings)
    running = candidate
    if not settings.allowed(observed.who.namespace):  # nor have we any rights there
        refused = Problem("metadata.namespace", f"{observed.who.namespace} is not in the chart's allowedAddresses")
        return tell(observed, _facts(observed, None, (refused, *problems)))
    if problems:
        running, _ = consider(observed.accepted_spec, observed, settings) if observed.accepted_spec else (None, ())
    if running is None:
        return tell(observed, _facts(observed, None, problems))
    if not settings.allowed(observed.who.namespace):
        return tell(observed, _facts(observed, running, problems))
    actions = _objects(observed, settings, running)
    way = _way(observed, running)
    facts = _facts(observed, running, problems)
    facts = replace(facts, bus_key=observed.bus_key, rotation=_rotation(observed, way))
    return [
        *actions,
        *_rotate(observed, way),
        *_refresh(observed, running),
        *_replace(observed, running, settings, facts),
        *tell(observed, facts),
    ]


def consider(
    raw: Mapping[str, Any], observed: Observed, settings: Settings
) -> tuple[Candidate | None, tuple[Problem, ...]]:
    """The candidate that a spec makes, if it can be thought through at all, and what speaks against it."""
    spec, problems = read(raw)
    if spec is None:
        return None, problems
    roster = _roster(observed, spec)
    try:
        files = render(spec, observed.who.uid, roster.members, roster.arbiter)
    except RingError as error:
        return None, (Problem("spec.bus", str(error)),)
    verdict = judge(spec, files, _surroundings(observed, settings))
    files["revision"] = digest(files)
    return Candidate(raw, spec, roster, files, verdict), verdict.problems


def _roster(observed: Observed, spec: ClusterSpec) -> Roster:
    staying = frozenset(pod.node for pod in observed.pods if pod.node)
    numbers = Numbers(observed.given_ids, observed.seen_ids)
    roster = enrol(spec, observed.nodes, [_elder(other) for other in _elders(observed)], staying, numbers)
    return _with_arbiter(observed, spec, roster)


def _with_arbiter(observed: Observed, spec: ClusterSpec, roster: Roster) -> Roster:
    selectors = [_elder(other).selector for other in observed.others]
    current = next((pod.node for pod in observed.arbiter_pods if not pod.is_ending), None)
    node = arbiter.choose(spec, observed.nodes, roster.members, selectors, current)
    if node is None:
        return roster
    name = arbiter.bus_name(node.name)
    ids = give_ids(roster.ids or {}, observed.seen_ids, [name])
    return replace(roster, arbiter=RingMember(node.name, name, ids[name], bus_address(spec, node) or ""), ids=ids)


def _elders(observed: Observed) -> list[Other]:
    """Clusters that were there before this one: they keep what both want."""
    created = observed.resource["metadata"].get("creationTimestamp", "")
    mine = (created, f"{observed.who.namespace}/{observed.who.name}")
    return [other for other in observed.others if (other.since, other.name) < mine]


def _elder(other: Other) -> Elder:
    spec, _ = read(other.spec)
    if spec is None:
        return Elder(other.name, ())
    return Elder(other.name, spec.selector, tuple(str(vip.address) for vip in spec.vips))


def _surroundings(observed: Observed, settings: Settings) -> Surroundings:
    claimed = dict(observed.claimed)
    for other in map(_elder, _elders(observed)):
        claimed |= dict.fromkeys(other.addresses, other.name)
    return Surroundings(
        namespace=observed.who.namespace,
        settings=settings,
        node_addresses={str(ip_address(text)): node.name for node in observed.nodes for text in node.addresses},
        claimed=claimed,
        pod_networks=tuple(network for node in observed.nodes for network in node.pod_networks),
        service_networks=observed.service_networks,
    )


def _objects(observed: Observed, settings: Settings, running: Candidate) -> list[Action]:
    """What must exist, parents of mounts first; and DuraVIP objects of addresses that are no longer declared."""
    who = observed.who
    wanted = [
        (objects.state_map(who, running.roster.ids or {}, running.raw), observed.state_map),
        (objects.config_map(who, running.files), observed.config_map),
        (objects.daemon_set(who, running.spec, settings, running.roster.kept_out), observed.daemon_set),
    ]
    voice = running.roster.arbiter
    if voice is not None:
        wanted.append((objects.arbiter(who, voice.kubernetes_name, settings), observed.arbiter))
    wanted += [(objects.duravip(who, text), observed.duravips.get(text)) for text in running.verdict.addresses]
    secrets = [IssueSecrets(observed.secrets_due)] if observed.secrets_due else []
    gone = sorted(set(observed.duravips) - set(running.verdict.addresses))
    is_left_over = voice is None and observed.arbiter is not None
    return [
        *secrets,
        *([Delete("DaemonSet", names.arbiter(who.name))] if is_left_over else []),
        *(Apply(value) for value, live in wanted if not is_as_wanted(value, live)),
        *(Delete("DuraVIP", names.duravip(who.name, address)) for address in gone),
    ]


def _way(observed: Observed, running: Candidate) -> Course:
    """The course of a replacement of the bus key."""
    well = {node.name for node in observed.nodes if node.is_ready}
    with_pod = {pod.node for pod in observed.pods if pod.node in well and not pod.is_ending}
    expected = (member.name for member in running.roster.members if member.kubernetes_name in with_pod)
    has_arbiter = running.roster.arbiter is not None
    return course(observed.bus_key, observed.rotation_wish, expected, observed.reports, has_arbiter, observed.now)


def _rotation(observed: Observed, way: Course) -> str:
    """Where it stands, for people."""
    stage = observed.bus_key.stage if observed.bus_key else ""
    if way.waits:
        return f"{stage or 'not begun'}: {some(way.waits)}"
    return f"{stage}: done, next is {way.step}" if stage and way.step else ""


def _rotate(observed: Observed, way: Course) -> list[Action]:
    if way.step is None or observed.bus_key is None:
        return []
    begins = way.step is Step.BEGIN
    act = RotateKey(way.step.value, observed.rotation_wish if begins else observed.bus_key.wish)
    if way.step is Step.FINISH:
        return [act, Emit(BUS_KEY_ROTATED, "every node uses the new bus key; all rings and links are whole")]
    if way.step is Step.ABANDON:
        why = f"the annotation changed, or not every node had seen the next one within {GIVE_UP_S / 60:.0f} minutes"
        return [act, Emit(BUS_KEY_KEPT, f"the bus key is not replaced: {why}", is_warning=True)]
    return [act]


def _refresh(observed: Observed, running: Candidate) -> list[Action]:
    """Volumes lag by a minute and more; touching the pod makes the kubelet look at once."""
    if observed.live_files != dict(running.files):
        return []
    mark = running.files["revision"][:16]
    if observed.bus_key is not None and observed.bus_key.stage:
        mark += f"-{observed.bus_key.stage}-{observed.bus_key.next}"
    pods = [*observed.pods, *observed.arbiter_pods]
    stale = [pod for pod in pods if pod.configuration != mark and not pod.is_ending]
    return [RefreshPod(pod.name, mark) for pod in sorted(stale, key=lambda pod: pod.name)]


def _replace(observed: Observed, running: Candidate, settings: Settings, facts: Facts) -> list[Action]:
    """One pod with an outdated template at a time: broken ones first, healthy ones only when all is well.

    A deleted pod hands its addresses over before it ends, so nobody waits for them.
    """
    wanted = objects.daemon_set(observed.who, running.spec, settings, running.roster.kept_out)
    pods = [*observed.pods, *observed.arbiter_pods]
    if not is_as_wanted(wanted, observed.daemon_set) or any(pod.is_ending for pod in pods):
        return []
    if observed.bus_key is not None and observed.bus_key.stage:
        return []  # one thing at a time
    of_both = [*_outdated(observed.pods, wanted), *_outdated(observed.arbiter_pods, observed.arbiter)]
    outdated = sorted(of_both, key=lambda pod: pod.name)
    broken = [pod for pod in outdated if not pod.is_ready]
    is_well = all(pod.is_ready for pod in pods) and _is_whole(facts)
    chosen = next(iter(broken or (outdated if is_well else [])), None)
    if chosen is None:
        return []
    text = f"{chosen.name} on {chosen.node} is replaced by one of the current template ({len(outdated)} left)"
    return [Delete("Pod", chosen.name), Emit(POD_REPLACED, text)]


def _outdated(pods: Iterable[Pod], daemon_set: Mapping[str, Any] | None) -> list[Pod]:
    """Pods that were not made from the template of their set."""
    if daemon_set is None:
        return []
    template = daemon_set["spec"]["template"]["metadata"]["annotations"][names.TEMPLATE_ANNOTATION]
    return [pod for pod in pods if pod.template != template]


def _is_whole(facts: Facts) -> bool:
    complete = all(facts.missing(member) is None for member in facts.members)
    return complete and facts.view.is_shared and all(truth.is_served for truth in facts.truths)


def _facts(observed: Observed, running: Candidate | None, problems: tuple[Problem, ...]) -> Facts:
    facts = Facts(problems=problems, pods=observed.pods, reports=observed.reports, view=agree(observed.reports))
    if running is None:
        return facts
    return replace(
        facts,
        roster=running.roster,
        is_running_another=bool(problems) and bool(observed.pods),
        revision=running.files["revision"],
        networks=running.spec.networks,
        addresses=running.verdict.addresses,
        notices=running.verdict.notices,
    )
