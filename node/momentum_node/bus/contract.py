"""The contract of a group-communication engine: views and agreed messages, nothing more.

What every engine promises (extended virtual synchrony without its "safe" half; Corosync cpg.h):

- all members of a view deliver the same messages in the same order, one's own included;
- members that go together from one view to the next delivered the same messages in the first;
- a member that was away, however briefly, is in `left` and in `joined` of one view, or of two;
- state is not transferred: whoever needs it sends it.

What no engine promises: bounded time, and that a message delivered here was delivered anywhere else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from momentum_node.errors import BusError

MAX_MESSAGE_BYTES = 60_000
"""Larger messages are the sender's to split (Corosync fragments above 1 MiB with blocking retries, lib/cpg.c)."""


@dataclass(frozen=True, order=True, slots=True)
class Member:
    """A process on the bus. Ordered by node id, then pid; identity over time also needs its incarnation."""

    node_id: int
    pid: int


@dataclass(frozen=True, slots=True)
class ViewChanged:
    """An agreed member list. `members` is sorted; `joined` and `left` may intersect (a fast restart).

    Always members = members before - left + joined: in the first view of a process every member is in `joined`.

    `reachable` holds the node ids of the ring itself (totem membership, an arbiter included): what a quorum counts.
    A change of the ring alone comes as a view with equal members and nobody joined or left.
    """

    members: tuple[Member, ...]
    joined: frozenset[Member]
    left: frozenset[Member]
    reachable: frozenset[int]


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message in agreed order; `sender` is a member of the current view."""

    sender: Member
    data: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """The engine is gone (daemon died, socket closed). Nothing follows it; connect again with a new object."""

    reason: str


BusEvent: TypeAlias = ViewChanged | Delivered | Lost


class BusFull(BusError):
    """The bound of unsent messages is reached: the engine takes nothing now (flow control, a forming ring)."""


class IdentityTaken(BusError):
    """The engine takes a process with our identity for a member already: another one, or one that it never let go."""


class Bus(Protocol):
    """One membership of one group. Methods run on the event loop; none of them blocks."""

    @property
    def local(self) -> Member:
        """Who we are on the bus. Raises `BusError` before `connect` returned."""
        ...

    async def connect(self, group: str, on_event: Callable[[BusEvent], None]) -> None:
        """Join `group`; from then on every event is handed to `on_event` on the loop, in order.

        Raises `BusError` when there is no engine to talk to, with what to check; `IdentityTaken` when we are said to
        be there already.
        """
        ...

    def send(self, data: bytes) -> None:
        """Queue `data` (at most `MAX_MESSAGE_BYTES`) for agreed delivery to all members, ourselves included.

        Raises `BusFull` when the bounded queue is full, `BusError` after `Lost` or `leave`.
        """
        ...

    async def leave(self) -> None:
        """Send what is queued, leave the group so that the others see it at once, and release the engine."""
        ...

    def abort(self) -> None:
        """Let go of the engine at once, unsent messages included. The others see the process leave."""
        ...
