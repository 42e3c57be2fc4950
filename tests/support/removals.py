"""Every rule of the failover, where the program keeps it, and the test that breaks when it is taken out.

    python -m tests.support.removals [R8 S3 …]      takes each out in a copy of the tree and runs its test: it must fail
    python -m tests.support.removals --table        the table of docs/rules.md

R1 to R25 are drawn from the pains of users of other programs, S1 to S8 keep the protocol safe, F15 is named after the
fault that it survives. A test that passes
without its rule proves nothing about it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
NODE = "node/momentum_node/"
DURAVIP = f"{NODE}duravip"
COPIED = ("node", "operator", "tests", "charts", "examples", "pyproject.toml")


@dataclass(frozen=True)
class Removal:
    """`old` stands once in `file`; with `new` in its place the rule is gone and `test` fails.

    `old` empty: the test takes the rule out itself, in a machine of its own.
    """

    rule: str
    says: str
    test: str
    file: str
    old: str = ""
    new: str = ""


def _r(rule: str, says: str, test: str, file: str, old: str = "", new: str = "") -> Removal:
    return Removal(rule, says, f"tests/{test}", file if "/" in file else f"{DURAVIP}/{file}", old, new)


REMOVALS: tuple[Removal, ...] = (
    _r(
        "R1",
        "every address has a lease in the kernel, 2 s (10 s above 512), renewed at a quarter",
        "unit/test_supervisor_leases.py::test_above_512_addresses_the_kernel_keeps_them_10_s_and_we_renew_more_rarely",
        "leases.py",
        "return SHORT_S if count <= SHORT_LIMIT else LONG_S",
        "return 0",
    ),
    _r(
        "R2",
        "the supervisor takes every address off when the core dies, then starts another",
        "host/test_host_death.py::test_five_hundred_addresses_are_taken_off_when_the_core_is_killed",
        "executor.py",
        "        self._release(addresses)\n        return len(addresses)",
        "        return len(addresses)",
    ),
    _r(
        "R3",
        "at start every address with our mark is removed before joining",
        "host/test_host_leases.py::test_what_an_earlier_run_left_is_removed_before_the_core_starts",
        "leases.py",
        "            if entry.mark == PROTOCOL_MARK or (",
        "            if (",
    ),
    _r(
        "R4",
        "the wire is asked before an address is plumbed, and waited for while somebody answers",
        "unit/test_actuator_orders.py::test_contested_until_the_old_owner_falls_silent",
        "plumbing.py",
        "            await self._await_silence(place, plan)\n",
        "",
    ),
    _r(
        "R5",
        "a failover never asks the API server: the node knows no Kubernetes",
        "unit/test_rules.py::test_the_node_knows_no_kubernetes",
        "node/momentum_node/core.py",
        "import uvloop\n",
        "import kubernetes\nimport uvloop\n",
    ),
    _r(
        "R6",
        "a minority owns nothing; an exact half only with the lowest node id",
        "unit/test_duravip_quorum.py::test_more_than_half_of_the_node_list",
        "quorum.py",
        "            return min(self.node_ids) in reachable\n        return of > 0 and 2 * have > of",
        "            return min(self.node_ids) in reachable\n        return True",
    ),
    _r(
        "R7",
        "an owner announces again at every change of the membership, carrier or after a conflict",
        "unit/test_duravip_machine.py::test_an_owner_announces_again_when_membership_changes",
        "orders.py",
        "        self._reminded |= self._holds.plumbed",
        "        self._reminded |= 0",
    ),
    _r(
        "R8",
        "who has let go announces nothing any more",
        "unit/test_supervisor_schedules.py::test_what_is_given_up_is_not_announced_again",
        "announcing.py",
        "        self._current.pop(address, None)",
        "        del address",
    ),
    _r(
        "R9",
        "preferences in order, weights, groups that are to be apart, an even spread",
        "unit/test_duravip_election.py::test_an_orphan_goes_where_nobody_of_its_group_is_although_there_is_more_load",
        "election.py",
        "    deal(orphans, heads, hands, owns, terms.apart, scarcest_first=True)",
        "    deal(orphans, heads, hands, owns, (), scarcest_first=True)",
    ),
    _r(
        "R10",
        "a preferred node that returns proves itself before it takes its address back",
        "scenarios/test_duravip_stories.py::test_story[failback_delay]",
        "failback.py",
        "        return self._well_since + policy.failback_delay_s * _times(self._departures)",
        "        return self._well_since",
    ),
    _r(
        "R11",
        "an address that somebody else removed is put back at once, and counted",
        "host/test_host_leases.py::test_an_address_that_somebody_removes_is_put_back_and_counted",
        "executor.py",
        "                self._turned(self.leases.deleted(deleted))",
        "                pass",
    ),
    _r(
        "R12",
        "no permanent address, no prefix route",
        "host/test_host_leases.py::test_an_address_is_marked_short_lived_and_nobodys_source",
        "rtnetlink.py",
        "    flags, preferred = IFA_F_NOPREFIXROUTE, valid",
        "    flags, preferred = 0, valid",
    ),
    _r(
        "R13",
        "a node's own address (a pod's, a service's, another cluster's) cannot be a DuraVIP",
        "unit/test_operator_refusals.py::test_an_address_of_an_older_cluster_is_not_taken",
        "operator/momentum_operator/acceptance.py",
        "    if other := around.claimed.get(text):",
        "    if (other := around.claimed.get(text)) == text:",
    ),
    _r(
        "R14",
        "IPv6 without duplicate address detection of the kernel, and never a source address",
        "host/test_host_leases.py::test_an_address_is_marked_short_lived_and_nobodys_source",
        "rtnetlink.py",
        "        flags, preferred = flags | IFA_F_NODAD, 0",
        "        pass",
    ),
    _r(
        "R15",
        "announcements breadth first, a burst and then 500 a second, the later ones spread",
        "unit/test_supervisor_schedules.py::test_one_for_each_before_the_second_for_any_and_a_burst_and_then_500_a_second",
        "announcing.py",
        "and self._tokens >= 1 + reserve and len(chosen) < limit",
        "and len(chosen) < limit",
    ),
    _r(
        "R16",
        "a cordoned node is the last choice and no more; only a drain gives all up",
        "unit/test_duravip_election.py::test_when_all_are_cordoned_nothing_moves",
        "election.py",
        "    best = _union(c.eligible & ~c.doubtful for c in candidates if not c.is_cordoned)\n",
        "    best = _union(c.eligible & ~c.doubtful for c in candidates)\n",
    ),
    _r(
        "R17",
        "connections are reset before their address is deleted",
        "host/test_host_listeners.py::test_a_connection_is_reset_before_its_address_goes",
        "executor.py",
        "        self._destroy([address for address in addresses if address in self.leases])\n",
        "",
    ),
    _r(
        "R18",
        "who cannot serve an address (link down, no worker) is no candidate; who hears no gateway is the last choice",
        "scenarios/test_duravip_stories.py::test_story[link_lost]",
        "standing.py",
        "        return self.listed & ~self.unusable",
        "        return self.listed",
    ),
    _r(
        "R19",
        "ring and links are told, and one command gives a verdict",
        "unit/test_status_diagnosis.py::test_each_trouble_is_named",
        "node/momentum_node/status/diagnosis.py",
        '        if not link["connected"] and link["node"] in bus["ring"]:',
        '        if not link["connected"] and link["node"] is None:',
    ),
    _r(
        "R20",
        "a view must be stable for a while before newcomers own anything",
        "unit/test_duravip_machine.py::test_a_single_node_gathers_waits_and_serves",
        "maturity.py",
        "        return self._stable_since + policy.view_mature_time_s",
        "        return self._stable_since",
    ),
    _r(
        "R21",
        "after a pause of more than half a lease everything is given up first",
        "unit/test_supervisor_leases.py::test_a_freeze_inside_a_renewal_is_noticed_after_the_batch_it_hit",
        "leases.py",
        "            if self._clock() - since > patience:\n                raise LateRenewal\n",
        "",
    ),
    _r(
        "R22",
        "only our own addresses are deleted: by index, address and length, and by our mark",
        "host/test_host_leases.py::test_an_address_of_somebody_else_is_never_touched",
        "leases.py",
        "            if entry.mark == PROTOCOL_MARK or (",
        "            if len(entry.address) in {4, 16} or (",
    ),
    _r(
        "R23",
        "no link is ever changed",
        "unit/test_rules.py::test_no_link_is_ever_changed",
        "rtnetlink.py",
        "    return RTM_DELADDR, 0, _address_body(entry)",
        "    return RTM_SETLINK, 0, _address_body(entry)",
    ),
    _r(
        "R24",
        "one supervisor in a network",
        "host/test_host_death.py::test_a_second_supervisor_on_the_same_host_refuses_and_removes_nothing",
        "node/momentum_node/supervisor.py",
        '        lock.bind("\\0momentum-supervisor")',
        '        lock.bind("")',
    ),
    _r(
        "R25",
        "an address that a stranger answers for is not plumbed, and told",
        "unit/test_actuator_orders.py::test_a_stranger_is_never_pushed_aside",
        "plumbing.py",
        "                raise InUse(mac)",
        "                return",
    ),
    _r(
        "S1",
        "a plumb or unplumb under way counts as held",
        "unit/test_duravip_machine.py::test_a_plumb_under_way_is_reported_as_held",
        "member.py",
        "        return self._holds.held\n",
        "        return self._holds.plumbed\n",
    ),
    _r(
        "S2",
        "only an answer to the view completes a gather",
        "unit/test_duravip_machine.py::test_a_state_that_answers_no_view_completes_no_gather",
        "gather.py",
        "        return state.gather\n",
        "        return True\n",
    ),
    _r(
        "S3",
        "nothing is plumbed before the last answer came back, nothing done after a release until that did",
        "unit/test_duravip_machine.py::test_nothing_is_plumbed_until_the_last_answer_came_back",
        "machine.py",
        "        return self._outbox.delivered < self._last_answer",
        "        return False",
    ),
    _r(
        "S4",
        "who was away, however short, is new",
        "unit/test_duravip_machine.py::test_a_member_that_was_away_for_a_moment_is_new",
        "member.py",
        "        return event.joined | (after - before), event.left | (before - after)",
        "        return frozenset(after - before), frozenset(before - after)",
    ),
    _r(
        "S5",
        "ticks count from the leader and for this view only",
        "unit/test_duravip_machine.py::test_only_the_leader_and_only_this_view_make_members_mature",
        "member.py",
        "        return sender == table.leader() and view == self._view",
        "        return True",
    ),
    _r(
        "S6",
        "after a gather everything is rebuilt from the reports",
        "properties/test_duravip_simulation.py::test_a_planted_bug_is_found[WithoutS6]",
        "member.py",
    ),
    _r(
        "S7",
        "the ticket is asked for once more immediately before the kernel call",
        "unit/test_actuator_orders.py::test_the_ticket_is_asked_for_immediately_before_the_kernel",
        "plumbing.py",
        "        if not self._tell.is_granted(place.address):\n            return False\n",
        "",
    ),
    _r(
        "S8",
        "released is said when the kernel has confirmed it",
        "unit/test_actuator_orders.py::test_release_lets_sessions_end_and_answers_after_the_kernel",
        "actuator.py",
        "            await self._plumbing.release(place, grace_s)\n            place.order = Direction.NONE\n"
        "            self._tell.on_unplumbed(place.address, self._clock())",
        "            self._tell.on_unplumbed(place.address, self._clock())\n"
        "            await self._plumbing.release(place, grace_s)\n            place.order = Direction.NONE",
    ),
    _r(
        "F15",
        "what the new owner cannot hear another member hears for it, and it waits",
        "host/test_host_deaf.py::test_no_two_have_an_address_although_the_new_owner_cannot_hear_the_old_one",
        "member.py",
        "            self._to_hear += [",
        "            _ = [",
    ),
)


def table() -> str:
    """The rows of docs/rules.md."""
    rows = (f"| {r.rule} | {r.says} | `{r.file.removeprefix(NODE)}` | `{r.test}` |" for r in REMOVALS)
    return "\n".join(
        ("| rule | says | kept in | the test that breaks without it |", "| --- | --- | --- | --- |", *rows)
    )


def survives(removal: Removal, tree: Path) -> str | None:
    """Take it out in a copy at `tree`, run its test; what the test printed when it did not fail, None when it did."""
    path = tree / removal.file
    text = path.read_text()
    path.write_text(text.replace(removal.old, removal.new, 1) if removal.old else text)
    try:
        done = _run(removal.test, tree)
    finally:
        path.write_text(text)
    wanted = 1 if removal.old else 0  # a test that takes the rule out itself passes
    return None if done.returncode == wanted else f"exit code {done.returncode}\n{done.stdout[-3000:]}"


def copied(folder: Path) -> Path:
    """A copy of the tree in which rules can be taken out."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    return folder


def _run(test: str, tree: Path) -> "subprocess.CompletedProcess[str]":
    program = (
        "import sys; sys.path[:0] = ['node', 'operator', '.']; import pytest; "
        "sys.exit(pytest.main(['-q', '-x', '-p', 'no:cacheprovider', sys.argv[1]]))"
    )
    argv = [sys.executable, "-c", program, test]
    path = ":".join(str(tree / name) for name in ("node", "operator", "."))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(argv, cwd=tree, env=environment, capture_output=True, text=True, check=False)


def main() -> int:
    """0 when every rule's test fails without it."""
    if "--table" in sys.argv:
        print(table())
        return 0
    chosen = [removal for removal in REMOVALS if not sys.argv[1:] or removal.rule in sys.argv[1:]]
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="momentum-rules-") as folder:
        tree = copied(Path(folder))
        for removal in chosen:
            told = survives(removal, tree)
            wrong += told is not None
            print(
                f"{removal.rule}: {'its test fails without it' if told is None else f'NOT NOTICED: {told}'}", flush=True
            )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
