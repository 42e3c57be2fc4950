"""Where a message of this node belongs now. Pure: a view of who owns which binding in, a destination out.

owner of the binding is this node          stays, and is delivered here
owner is another node                      goes there
no owner, or the election runs             waits
offered, and the answer is not known       back to that same node, if it is a member: it says what became of it
the same, but the node is gone             waits for `DOUBT_PATIENCE_S`, then goes by the first three lines
handed over more than five times a minute  waits for a minute
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, TypeAlias

from momentum_node.spool.marks import LOOP_WINDOW_S, Mark, State, is_looping
from momentum_node.spool.message import Message

DOUBT_PATIENCE_S: Final = 300.0
"""A node that may have taken a message and does not come back: after this a second delivery is the lesser evil."""
LOOK_AGAIN_S: Final = 5.0
MAX_BACKOFF_S: Final = 60.0


class Stay(Enum):
    """Reasons not to move."""

    HERE = auto()  # its binding is, or may be, served by this node


@dataclass(frozen=True, slots=True)
class Wait:
    """Neither delivered nor moved before `until` (seconds since the epoch), unless the view changes."""

    until: float
    why: str


@dataclass(frozen=True, slots=True)
class Move:
    """Hand it to this node."""

    node: str


Destination: TypeAlias = Stay | Wait | Move


@dataclass(frozen=True, slots=True)
class Owners:
    """The view. A binding that moves with no address is not in `owner`; None = it has no owner now."""

    here: str
    members: frozenset[str]
    owner: Mapping[str, str | None]


def destination(message: Message, mark: Mark | None, owners: Owners, now: float) -> Destination:
    """Where a queued message belongs."""
    if mark is not None and mark.state is State.OFFERED:
        if mark.node in owners.members:
            return Move(mark.node)
        if now - mark.at < DOUBT_PATIENCE_S:
            return Wait(min(now + LOOK_AGAIN_S, mark.at + DOUBT_PATIENCE_S), f"{mark.node} may have it")
    owner = owners.owner.get(message.binding, owners.here)
    if owner == owners.here:
        return Stay.HERE
    if owner is None or owner not in owners.members:
        return Wait(now + LOOK_AGAIN_S, "its binding has no owner")
    if is_looping(message.trail, now):
        return Wait(now + LOOP_WINDOW_S, "it goes from node to node without end")
    return Move(owner)


def backoff(failures: int) -> float:
    """Seconds to wait after the n-th failure in a row of a target node: 1, 2, 4 … 60."""
    return min(math.ldexp(1.0, min(failures - 1, 16)), MAX_BACKOFF_S)


class Allowance:
    """Background moves (mail that was injected on the wrong node): at most `rate` messages a second."""

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._left = rate
        self._at = now

    def take(self, messages: int, now: float) -> bool:
        """Whether a batch may go now. A batch larger than a second's share goes when the share is full."""
        self._left = min(self._rate, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < min(messages, self._rate):
            return False
        self._left -= messages
        return True
