"""Why an address is where it is, in words: derived from the table, never part of a decision."""

from collections.abc import Iterator, Mapping

from momentum_node.config.model import Address
from momentum_node.duravip.addresses import Bits, positions
from momentum_node.duravip.table import Standing, Table
from momentum_node.duravip.vip import Definition, Placement, short_name

SHOWN_OBSTACLES = 3


class Explainer:
    """Reads one table once and explains any of its addresses."""

    def __init__(self, table: Table, reachable: frozenset[int], definitions: Mapping[Address, Definition]) -> None:
        self._table = table
        self._definitions = definitions
        self._standings = table.by_name()
        self._electable = table.electable(reachable)
        self._twins = table.duplicates()
        self._disputed = table.disputed()
        self._nobody = self._why_nobody(reachable)
        self._owners = _by_position((standing, standing.owns) for standing in self._standings)
        self._holders = _by_position((standing, standing.holds) for standing in self._standings)

    def placements(self, held: Bits) -> Iterator[Placement]:
        """Every known address, in order. `held` = possibly on this node's wire."""
        index = self._table.index
        for at in positions(self._table.known() | held):
            owner = next(iter(self._owners.get(at, ())), None)
            holders = tuple(standing.facts.name for standing in self._holders.get(at, ()))
            reason = self._reason(index.addresses[at], 1 << at, at, owner)
            name = owner.facts.name if owner else None
            yield Placement(index.addresses[at], name, reason, bool(held >> at & 1), holders)

    def _reason(self, address: Address, bit: Bits, at: int, owner: Standing | None) -> str:
        if owner is None:
            return f"nobody owns {address}: {self._nobody or self._obstacles(bit)}"
        waits = [s.facts.name for s in self._holders.get(at, ()) if s is not owner]
        until = f", once {' and '.join(waits)} released it" if waits else ""
        return f"{owner.facts.name} owns {address}: {self._why(address, bit, owner)}{until}"

    def _why(self, address: Address, bit: Bits, owner: Standing) -> str:
        definition = self._definitions.get(address)
        wanted = definition.preference if definition else None
        if wanted is not None and short_name(wanted) != owner.name:
            return self._why_not(wanted, bit)
        if bit & self._disputed:
            return "several nodes claim it, so preferences are ignored"
        if bit & self._table.claims_of(owner):
            return "it is the preferred node"
        if bit & self._table.orphaned:
            return "the least loaded when it had no owner"
        if bit & self._table.merged:
            return "the least loaded of those that had it"
        return "it had it already"

    def _why_not(self, wanted: str, bit: Bits) -> str:
        preferred = next((s for s in self._standings if s.name == short_name(wanted)), None)
        if preferred is None:
            return f"preferred {wanted} is not in the view"
        obstacle = self._obstacle(preferred, bit)
        if obstacle is None and bit & self._disputed:
            return "several nodes claim it, so preferences are ignored"
        if obstacle is None and preferred.facts.cordoned:
            obstacle = "is cordoned"
        if obstacle is None and not preferred.claims & bit:
            obstacle = "does not claim it"
        return f"preferred {preferred.facts.name} {obstacle or 'waits for its fail-back delay'}"

    def _obstacle(self, standing: Standing, bit: Bits) -> str | None:
        """What keeps this member from owning the address at all."""
        if not standing.listed & bit:
            return "does not declare it"
        if standing.facts.draining:
            return "is draining"
        if standing.member in self._twins:
            return "has the name or address of another member"
        if not standing.mature:
            return "is not mature yet"
        if standing.unusable & bit:
            return f"cannot serve it: {standing.facts.unusable_reason}"
        return next((f"failed: {why}" for why, failed in sorted(standing.failed.items()) if failed & bit), None)

    def _obstacles(self, bit: Bits) -> str:
        declared = [standing for standing in self._standings if standing.listed & bit]
        if not declared:
            return "no node declares it any more"
        found = [f"{s.facts.name} {self._obstacle(s, bit) or 'has not been asked'}" for s in declared]
        more = [f"{len(found) - SHOWN_OBSTACLES} more cannot either"] if len(found) > SHOWN_OBSTACLES else []
        return ", ".join(found[:SHOWN_OBSTACLES] + more)

    def _why_nobody(self, reachable: frozenset[int]) -> str | None:
        """What holds for every address alike."""
        for standing in self._standings:
            rule = standing.facts.rule
            if not rule.is_quorate(reachable):
                have, of = rule.count(reachable)
                return f"no quorum, {have} of {of} nodes"
        if self._electable:
            return None
        if not any(standing.mature for standing in self._standings):
            return "no member is mature yet"
        return None


def _by_position(sets: Iterator[tuple[Standing, Bits]]) -> dict[int, list[Standing]]:
    found: dict[int, list[Standing]] = {}
    for standing, bits in sets:
        for at in positions(bits):
            found.setdefault(at, []).append(standing)
    return found
