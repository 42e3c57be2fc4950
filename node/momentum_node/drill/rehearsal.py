"""Whether an address can be moved away and back without harm, where to, and what to do next to bring it home. Pure.

rehearse(table, …)   ->  Rehearsal(n1 → n2)      or DrillRefused with the reason; tried on a copy of the table
next_step(table, …)  ->  WAIT · MOVE · UNPIN · DONE      level-triggered: ask it again whenever the table may differ
"""

from dataclasses import dataclass
from enum import Enum

from momentum_node.config.model import Address
from momentum_node.duravip.addresses import Bits
from momentum_node.duravip.inquiry import Definitions
from momentum_node.duravip.messages import Move
from momentum_node.duravip.moves import refusal
from momentum_node.duravip.reasons import Explainer
from momentum_node.duravip.standing import Standing
from momentum_node.duravip.table import Table
from momentum_node.duravip.vip import short_name
from momentum_node.errors import MomentumError


class DrillRefused(MomentumError):
    """A drill that cannot be, or must not be, with the reason; nothing was moved."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a drill will do. `origin` and `target` are node names; `along`: followers that move with the address."""

    address: Address
    origin: str
    target: str
    along: tuple[Address, ...]


class Step(Enum):
    """What brings an address home."""

    WAIT = "wait"
    MOVE = "move it to its origin"
    UNPIN = "end the pin"
    DONE = "done"


def rehearse(
    table: Table | None,
    reachable: frozenset[int],
    definitions: Definitions,
    vip: Address,
    node: str | None = None,
    *,
    even_if_others_move: bool = False,
) -> Rehearsal:
    """The drill of `vip`, to `node` or to whoever would have it if its owner died. Raises `DrillRefused`."""
    if table is None:
        raise DrillRefused("the members are exchanging their states: try again in a moment")
    if why := refusal(table, Move(vip, "")):
        raise DrillRefused(why)
    bit = table.index.bit(vip)
    origin = _owner(table, bit)
    if origin is None:
        raise DrillRefused(f"nobody owns {vip}: {_why(table, reachable, definitions, vip)}")
    if vip in table.pins:
        raise DrillRefused(
            f"{vip} is pinned to {_pinned_to(table, vip)}, by an administrator or by a drill that is under way or was "
            f"cut short: end that first (`momentum-node drill --vip {vip} --unpin`)"
        )
    if waits := [s.facts.name for s in table.by_name() if s is not origin and s.holds & bit]:
        raise DrillRefused(f"{vip} is moving now: {' and '.join(waits)} has not released it yet")
    target = _target(table, reachable, definitions, vip, origin, node)
    return _tried(table, reachable, definitions, vip, origin, target, even_if_others_move)


def _target(
    table: Table,
    reachable: frozenset[int],
    definitions: Definitions,
    vip: Address,
    origin: Standing,
    node: str | None,
) -> Standing:
    if node is not None:
        if why := refusal(table, Move(vip, short_name(node))):
            raise DrillRefused(why)
        if short_name(node) == origin.name:
            raise DrillRefused(f"{vip} is on {origin.facts.name} already: name another node, or none")
        return next(standing for standing in table.by_name() if standing.name == short_name(node))
    without = table.without([origin.member])
    without.elect(reachable)
    heir = _owner(without, table.index.bit(vip))
    if heir is None:
        if len(table.standings) == 1:
            raise DrillRefused(f"no other node can have {vip}: {origin.facts.name} is the only member")
        raise DrillRefused(f"no other node can have {vip}: {_why(without, reachable, definitions, vip)}")
    return next(standing for standing in table.by_name() if standing.member == heir.member)


def _tried(
    table: Table,
    reachable: frozenset[int],
    definitions: Definitions,
    vip: Address,
    origin: Standing,
    target: Standing,
    even_if_others_move: bool,
) -> Rehearsal:
    """Do it on a copy: away, back, and no pin left. Each time the address must be where it is meant to be."""
    copy, bit = table.without([]), table.index.bit(vip)
    before = {standing.member: standing.owns for standing in copy.by_name()}
    along: Bits = 0
    for node, wanted in ((target.name, target), (origin.name, origin), ("", origin)):
        copy.pin(Move(vip, node))
        copy.elect(reachable)
        _hand_over(copy)
        owner = _owner(copy, bit)
        if owner is None or owner.member != wanted.member:
            why = _why(copy, reachable, definitions, vip)
            raise DrillRefused(f"{vip} would not go to {wanted.facts.name}, but to {_name(owner)}: {why}")
        if wanted is target:
            along = copy.standings[target.member].owns & ~before[target.member] & ~bit
            if copy.is_uneven() and not (table.is_uneven() or even_if_others_move):
                raise DrillRefused(
                    f"while {vip} is away, balancing could move other addresses "
                    "(--even-if-others-move does it all the same)"
                )
    for standing in copy.by_name():
        if moved := standing.owns & ~before[standing.member]:
            others = ", ".join(map(str, table.index.select(moved)))
            raise DrillRefused(f"{others} would stay on {standing.facts.name} afterwards")
    return Rehearsal(vip, origin.facts.name, target.facts.name, tuple(table.index.select(along)))


def _hand_over(copy: Table) -> None:
    """Everybody has released what another one owns."""
    for standing in copy.by_name():
        standing.holds &= standing.owns
    copy.grant()


# -- while it is under way -----------------------------------------------------------------------


def is_at(table: Table | None, vip: Address, node: str) -> bool:
    """The table gives it to `node`, and everybody else has let go of it."""
    if table is None:
        return False
    bit = table.index.bit(vip)
    owner = _owner(table, bit)
    if owner is None or owner.name != short_name(node):
        return False
    return bool(owner.holds & bit) and not table.held_by_others(owner.member) & bit


def next_step(table: Table | None, plan: Rehearsal) -> Step:
    """What brings the address home after a drill, whatever happened meanwhile.

    What is not the drill's to undo stays: a pin of somebody else, and an address whose origin cannot have it now.
    """
    if table is None:
        return Step.WAIT
    pinned_to = _pinned_to(table, plan.address)
    if pinned_to not in {None, plan.origin, plan.target}:
        return Step.DONE
    if refusal(table, Move(plan.address, short_name(plan.origin))):
        return Step.UNPIN if pinned_to else Step.DONE
    if pinned_to == plan.origin:
        return Step.UNPIN if is_at(table, plan.address, plan.origin) else Step.WAIT
    owner = _owner(table, table.index.bit(plan.address))
    if pinned_to is None and owner is not None and owner.facts.name == plan.origin:
        return Step.DONE
    return Step.MOVE


def _pinned_to(table: Table, vip: Address) -> str | None:
    pin = table.pins.get(vip)
    if pin is None:
        return None
    return next((s.facts.name for s in table.by_name() if s.incarnation == pin.incarnation), None)


def _owner(table: Table, bit: Bits) -> Standing | None:
    return next((standing for standing in table.by_name() if standing.owns & bit), None)


def _name(standing: Standing | None) -> str:
    return standing.facts.name if standing else "nobody"


def _why(table: Table, reachable: frozenset[int], definitions: Definitions, vip: Address) -> str:
    found = Explainer(table, reachable, definitions).placements(0)
    return next((placement.why for placement in found if placement.address == vip), "it is not known any more")
