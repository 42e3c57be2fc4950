"""The messages of one mail worker that are in custody: which lane each is in, or why it is held. Pure.

What is in custody is in no queue of delivery, and the other way round. After a change of the view all of it is sorted
anew, a piece at a time: there may be a million.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from momentum_node.mmove.lanes import Held, Key, Lane
from momentum_node.mmove.plan import LOOK_AGAIN_S, Allowance, Move, Owners, Stay, Wait, destination
from momentum_node.spool.marks import Mark, State, is_looping
from momentum_node.spool.message import Message

CHANGING_REST_S: Final = 0.5
MOVES: Final = "#mmove"
"""Momentum's name of the queue of what is moved."""


class Holdings:
    """`mark_of`: what is durably known of a message that moved before, None for others; `is_changing`: that is being
    written just now; `release`: deliver it here; `on_loop`: an administrator should hear that it goes round."""

    def __init__(
        self,
        mark_of: Callable[[Message], Mark | None],
        is_changing: Callable[[Message], bool],
        release: Callable[[Message], None],
        on_loop: Callable[[Message], None],
    ) -> None:
        self._mark_of = mark_of
        self._is_changing = is_changing
        self._release = release
        self._on_loop = on_loop
        self._unsorted: deque[tuple[Message, bool]] = deque()
        self._held = Held()
        self.owners: Owners | None = None
        """None until the first view."""
        self.is_suspended = False
        """Nothing moves, by order: mail waits in its queue, where it grows old as all mail does."""
        self.lanes: dict[Key, Lane] = {}

    # -- what is known

    @property
    def moving(self) -> int:
        """Messages that are to leave, or of which that is not decided yet."""
        return len(self._unsorted) + sum(lane.waiting + lane.under_way for lane in self.lanes.values())

    @property
    def held(self) -> int:
        """Messages that neither leave nor are delivered for now."""
        return len(self._held)

    def queues(self, now: float) -> list[tuple[str, str, int, float]]:
        """What is on its way, as figures show queues: `#mmove`, node, messages, age of the oldest in seconds."""
        found = []
        for shard_and_node, lane in sorted(self.lanes.items()):
            first = [queue[0].envelope.created for queue in (lane.moved, lane.injected) if queue]
            if count := lane.waiting + lane.under_way:
                found.append((MOVES, shard_and_node.node, count, now - min(first, default=now)))
        return found

    def is_elsewhere(self, binding: str) -> bool:
        """Another member owns it."""
        owners = self.owners
        if owners is None:
            return False
        owner = owners.owner.get(binding, owners.here)
        return owner is not None and owner != owners.here and owner in owners.members

    # -- sorting

    def heed(self, owners: Owners) -> None:
        """A view, or bindings of a new generation: what is in custody is sorted by it, see `sort`."""
        self.owners = owners
        for lane in self.lanes.values():
            self._unsorted.extend(lane.empty())
            if lane.key.node not in owners.members:
                lane.failures, lane.rest_until = 0, 0.0  # when it is back it has started anew
        self._unsorted.extend((message, False) for message in self._held.empty())

    def sort(self, most: int, now: float) -> bool:
        """At most `most` messages; True when nothing is left."""
        for _ in range(min(most, len(self._unsorted))):
            message, is_new = self._unsorted.popleft()
            self._place(message, now, is_new=is_new)
        return not self._unsorted

    def look(self, now: float) -> None:
        """Held messages whose time has come."""
        for message in list(self._held.due(now)):
            self._place(message, now, is_new=False)

    def put_back(self, message: Message, now: float) -> None:
        """It was under way and has not left."""
        self._place(message, now, is_new=False)

    def rest(self, message: Message, until: float) -> None:
        """It can neither leave nor be delivered before `until`."""
        self._held.put(message, until)

    def keeps(self, message: Message, now: float, *, is_new: bool = False) -> bool:
        """Take it into custody, unless it is to be delivered here. `is_new`: it has just come in from a client."""
        mark = self._mark_of(message)
        if mark is None and not self.is_elsewhere(message.binding):
            return False
        return self._takes(message, mark, now, is_new=is_new)

    def take(self, lane: Lane, allowance: Allowance | None, now: float) -> list[Message]:
        """The next messages with one body for a lane that has room; empty when there are none now."""
        for queue, limit in ((lane.moved, None), (lane.injected, allowance)):
            while queue:
                if limit is not None and not limit.take(1, now):
                    break
                batch = [one for one in lane.take(queue) if self._still_goes(one, lane, now)]
                if batch:
                    if limit is not None:
                        limit.take(len(batch) - 1, now)
                    lane.began(batch)
                    return batch
        return []

    # -- where to

    def _place(self, message: Message, now: float, *, is_new: bool) -> None:
        if not self._takes(message, self._mark_of(message), now, is_new=is_new):
            self._release(message)

    def _takes(self, message: Message, mark: Mark | None, now: float, *, is_new: bool) -> bool:
        is_offered = mark is not None and mark.state is State.OFFERED
        if self._is_changing(message):
            self._held.put(message, now + CHANGING_REST_S)
            return True
        owners = self.owners
        if owners is None:
            if is_offered:
                self._held.put(message, now + LOOK_AGAIN_S)
            return is_offered
        if not is_offered and (self.is_suspended or not self.is_elsewhere(message.binding)):
            return False  # here, or nobody's: its queue waits until its address is somewhere
        return self._sent_to(message, destination(message, mark, owners, now), now, is_new=is_new)

    def _sent_to(self, message: Message, where: Move | Wait | Stay, now: float, *, is_new: bool) -> bool:
        match where:
            case Move(node):
                self.lane(message.home, node).put(message, is_new=is_new)
            case Wait(until):
                self._held.put(message, until)
                if is_looping(message.trail, now):
                    self._on_loop(message)
            case _:
                return False
        return True

    def _still_goes(self, message: Message, lane: Lane, now: float) -> bool:
        """Its time in the lane may have changed where it belongs; if so it is put there."""
        owners = self.owners
        if owners is not None and not self._is_changing(message):
            where = destination(message, self._mark_of(message), owners, now)
            if where == Move(lane.key.node):
                return True
        self._place(message, now, is_new=False)
        return False

    def lane(self, shard: int, node: str) -> Lane:
        """The way of a shard to a node."""
        key = Key(shard, node)
        found = self.lanes.get(key)
        if found is None:
            found = self.lanes[key] = Lane(key)
        return found
