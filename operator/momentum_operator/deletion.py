"""How a cluster goes: pods first (each hands over, drains and takes its addresses off), then everything else.

Secrets, ConfigMaps and DuraVIP objects belong to the resource and go with it, when the finalizer is off. A node that
does not answer is named in an event and let go after `deletionTimeoutSeconds`: its kernel drops the addresses by
itself when nobody renews their lease.
"""

from momentum_operator import names, objects
from momentum_operator.actions import Action, Apply, Delete, Emit, SetFinalizer
from momentum_operator.facts import Facts
from momentum_operator.observe import Observed
from momentum_operator.reading import read
from momentum_operator.reasons import NODES_LEFT_BEHIND
from momentum_operator.settings import Settings
from momentum_operator.spec import ClusterSpec
from momentum_operator.status import tell
from momentum_operator.view import agree


def plan_deletion(observed: Observed, settings: Settings) -> list[Action]:
    """What to do now for a cluster that is to go."""
    if not observed.has_finalizer:
        return []
    spec, _ = read(observed.accepted_spec or observed.resource.get("spec"))
    if observed.daemon_set is not None and "deletionTimestamp" not in observed.daemon_set["metadata"]:
        return [Delete("DaemonSet", names.daemon_set(observed.who.name)), *_tell(observed)]
    timeout_s = spec.deletion_timeout_s if spec else 300
    is_late = (observed.deleting_for_s or 0.0) >= timeout_s
    if observed.pods and not is_late:
        return _tell(observed)
    left = sorted({pod.node for pod in observed.pods})
    if spec and spec.deletion_policy == "Purge" and not is_late:
        jobs = _jobs(observed, spec, settings)
        missing = [job for job in jobs if job["metadata"]["name"] not in observed.jobs]
        if missing or not all(_has_ended(observed, job["metadata"]["name"]) for job in jobs):
            return [*map(Apply, missing), *_tell(observed)]
    events = [Emit(NODES_LEFT_BEHIND, _behind(left, timeout_s), is_warning=True)] if left else []
    return [*events, SetFinalizer(False)]


def _tell(observed: Observed) -> list[Action]:
    facts = Facts(pods=observed.pods, reports=observed.reports, view=agree(observed.reports), is_deleting=True)
    return tell(observed, facts)


def _behind(left: list[str], timeout_s: int) -> str:
    return (
        f"gave up waiting for {', '.join(left)} after {timeout_s} s; their addresses end with the kernel's lease,"
        " look at them before you use these addresses elsewhere"
    )


def _jobs(observed: Observed, spec: ClusterSpec, settings: Settings) -> list[objects.Object]:
    """The jobs that remove spool and logs, one for each node."""
    return [
        objects.purge_job(observed.who, node.name, settings) for node in observed.nodes if spec.selects(node.labels)
    ]


def _has_ended(observed: Observed, name: str) -> bool:
    conditions = (observed.jobs[name].get("status") or {}).get("conditions") or []
    return any(c["type"] in {"Complete", "Failed"} and c["status"] == "True" for c in conditions)
