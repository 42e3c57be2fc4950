"""What can be asked of a machine: where addresses are and why, who is a member, and what would be if some left.

Pure reading: nothing here changes a table.
"""

from collections.abc import Collection, Mapping, Sequence

from momentum_node.bus.contract import Member
from momentum_node.config.model import Address
from momentum_node.duravip.addresses import Bits
from momentum_node.duravip.gather import Gather
from momentum_node.duravip.reasons import Explainer
from momentum_node.duravip.table import Table
from momentum_node.duravip.vip import Definition, Placement, short_name
from momentum_node.duravip.weights import UNSAID

Definitions = Mapping[Address, Definition]


class Inquiry:
    """Remembers the last answer: reports ask for it after every event, most of which change nothing."""

    def __init__(self) -> None:
        self._asked: tuple[object, ...] = ()
        self._answer: tuple[Placement, ...] = ()

    def placements(
        self, table: Table, reachable: frozenset[int], definitions: Definitions, held: Bits
    ) -> tuple[Placement, ...]:
        """Every address that anybody declares or holds, in order."""
        asked = (table, table.elections, held, reachable)
        if self._asked != asked:
            self._answer = tuple(Explainer(table, reachable, definitions).placements(held))
            self._asked = asked
        return self._answer


def not_placed(definitions: Definitions) -> tuple[Placement, ...]:
    """Before the first table."""
    return tuple(Placement(vip, None, "this node is not a member yet", False, ()) for vip in definitions)


def what_if(
    table: Table, reachable: frozenset[int], definitions: Definitions, gone: Collection[str]
) -> tuple[Placement, ...]:
    """Where each address would be if the nodes of these names died now: the same election, on a copy of the table."""
    names = {short_name(name) for name in gone}
    members = [standing.member for standing in table.by_name() if standing.name in names]
    left = reachable - {member.node_id for member in members}
    copy = table.without(members)
    copy.elect(left)
    copy.grant()
    return tuple(Explainer(copy, left, definitions).placements(0))


def members(
    view: Sequence[Member], gather: Gather | None, table: Table | None
) -> tuple[tuple[str, int, bool, bool], ...]:
    """(node name, bus node id, mature, draining) of each member of the view; a name not known yet is empty."""
    return tuple(_member(member, gather, table) for member in view)


def _member(member: Member, gather: Gather | None, table: Table | None) -> tuple[str, int, bool, bool]:
    report = gather.reports.get(member) if gather else None
    if report is not None:
        return report.state.facts.name, member.node_id, report.state.mature, report.state.facts.draining
    standing = table.standings.get(member) if table and not gather else None
    if standing is not None:
        return standing.facts.name, member.node_id, standing.mature, standing.facts.draining
    return "", member.node_id, False, False


def alarms(table: Table, differs: bool) -> tuple[str, ...]:
    """What an administrator must hear of: two nodes of one name, configurations that contradict each other."""
    found = ["tables differed between nodes: some started anew; this is a defect, please report it"] if differs else []
    for member in sorted(table.duplicates()):
        facts = table.standings[member].facts
        found.append(f"two members are {facts.name} at {facts.address}: node {member.node_id} has no part in anything")
    if table.broken:
        vips = table.index.select(table.broken)
        found.append(f"binding names differ between nodes: {', '.join(map(str, vips[:3]))} BROKEN ({len(vips)} in all)")
    sizes = {standing.facts.balance_set_size for standing in table.standings.values()}
    if len(sizes) > 1:
        found.append(
            f"duravip_balance_set_size differs between nodes ({min(sizes)} to {max(sizes)}): the leader's counts"
        )
    said = [standing.facts.weight for standing in table.by_name()]
    if UNSAID in said and max(said) > 1:
        silent = ", ".join(standing.facts.name for standing in table.by_name() if standing.facts.weight == UNSAID)
        found.append(f"weights of nodes do not count: the version of {silent} knows none")
    return tuple(found)
