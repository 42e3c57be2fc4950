"""What a node remembers of messages that moved between nodes. Pure: states, and what they mean for one that arrives.

Every hand-over raises the hop number of a message; its copies on different nodes are told apart by it. A mark is all
that is known of one message; a newer mark replaces an older one.

    HELD       it lies here with this hop (only needed when that differs from the stored one, or its giver let go)
    OFFERED    it lies here with this hop and was offered to `node` with the next one: the final dot may have passed
    HANDED     `node` took it with this hop; our copy is gone
    FINISHED   it was delivered or bounced here: no other copy counts, whatever its hop
    FORGOTTEN  nothing needs to be remembered any more

A message is offered under a durable mark, so that also after a crash the one node that may have it is asked first.
"""

from dataclasses import dataclass, replace
from enum import Enum, IntEnum, auto
from typing import Final

MARK_LIFE_S: Final = 86_400.0
"""A node that does not come back to confirm within this time is not waited for."""
LOOP_HOPS: Final = 5
LOOP_WINDOW_S: Final = 60.0


class State(IntEnum):
    """The numbers are part of the format."""

    HELD = 1
    OFFERED = 2
    HANDED = 3
    FINISHED = 4
    FORGOTTEN = 5

    @property
    def is_here(self) -> bool:
        """The message itself still lies in this spool."""
        return self in {State.HELD, State.OFFERED}


@dataclass(frozen=True, slots=True)
class Mark:
    """The record of one message. `awaits`: hops under which it was given to us by a node that may still have its copy
    (after A → B → A → B there may be two). `owes`: `node` waits for our word that ours is gone.
    """

    id: str
    created: float  # seconds since the epoch: tells two messages with one id apart
    state: State
    hop: int
    node: str = ""
    at: float = 0.0  # seconds since the epoch
    awaits: tuple[int, ...] = ()
    owes: bool = False

    @property
    def ended_hop(self) -> int:
        """Copies of ours up to this hop have ended; -1: none."""
        if self.state is State.HANDED:
            return self.hop - 1
        return self.hop if self.state is State.FINISHED else -1

    def is_over(self, now: float) -> bool:
        """Nobody will ask any more."""
        return self.state is State.FORGOTTEN or (not self.state.is_here and now - self.at > MARK_LIFE_S)


class Verdict(Enum):
    """What to do with a message that another node hands over."""

    TAKE = auto()  # store it
    RAISE = auto()  # the same lies here with a lower hop: keep that one, under the higher number
    DUPLICATE = auto()  # it is, or was, here: say 250, keep nothing
    RENAME = auto()  # another message has its id: store it under a new one
    BUSY = auto()  # what lies here is just changing: come again


def judge(known: Mark | None, created: float, hop: int) -> Verdict:
    """A message with `created` and `hop` arrives, and `known` is what we know of its id."""
    if known is None or known.state is State.FORGOTTEN:
        return Verdict.TAKE
    if known.created != created:
        return Verdict.RENAME if known.state.is_here else Verdict.TAKE
    if known.state is State.FINISHED or hop <= known.hop:
        return Verdict.DUPLICATE
    return Verdict.RAISE if known.state.is_here else Verdict.TAKE


def taken(id_: str, created: float, hop: int, awaited: tuple[int, ...] = ()) -> Mark:
    """It was handed to us and is stored; its record stands for this mark. `awaited`: of an earlier visit."""
    return Mark(id_, created, State.HELD, hop, awaits=(*awaited, hop))


def finished(known: Mark | None, id_: str, created: float, hop: int, now: float) -> Mark | None:
    """The mark that the end of a message needs: one when another node may still have a copy, else None."""
    here = known if known is not None and known.state.is_here else None
    if here is None:
        return None
    awaits = (*here.awaits, hop + 1) if here.state is State.OFFERED else here.awaits  # the node may bring it home
    return Mark(id_, created, State.FINISHED, hop, here.node, now, awaits) if awaits else None


def offered(held: Mark, node: str, now: float) -> Mark:
    """It is about to be offered to `node`."""
    return replace(held, state=State.OFFERED, node=node, at=now)


def withdrawn(offer: Mark) -> Mark:
    """The node refused it: it lies here as before."""
    return replace(offer, state=State.HELD, node="")


def handed(offer: Mark, now: float) -> Mark:
    """The node has it: our copy ends, and the node is to be told so."""
    return replace(offer, state=State.HANDED, hop=offer.hop + 1, at=now, owes=True)


def raised(held: Mark, hop: int) -> Mark:
    """A copy with a higher hop came in: it is the one that lies here now, and its giver has one too."""
    return replace(held, state=State.HELD, hop=hop, node="", awaits=(*held.awaits, hop))


def released(known: Mark, hop: int) -> Mark | None:
    """The giver says that its copy with `hop` is gone; None when that changes nothing."""
    if hop not in known.awaits:
        return None
    left = replace(known, awaits=tuple(one for one in known.awaits if one != hop))
    if left.state.is_here or left.owes or left.awaits:
        return left
    return replace(left, state=State.FORGOTTEN)


def told(known: Mark) -> Mark | None:
    """The node that took it knows that our copy is gone; None when it did already."""
    if not known.owes:
        return None
    left = replace(known, owes=False)
    return left if left.awaits else replace(left, state=State.FORGOTTEN)


def is_looping(trail: tuple[float, ...], now: float) -> bool:
    """More than `LOOP_HOPS` hand-overs within `LOOP_WINDOW_S`; `trail` = their times, oldest first."""
    return sum(now - LOOP_WINDOW_S < at <= now for at in trail) > LOOP_HOPS


def longer(trail: tuple[float, ...], now: float) -> tuple[float, ...]:
    """The trail with one more hand-over; no more is kept than `is_looping` looks at."""
    return (*trail, now)[-(LOOP_HOPS + 1) :]
