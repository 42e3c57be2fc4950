"""From CPG's callbacks to the views of the contract: one agreed list a change, ghosts left out.

Theory of operation. Lists that come with a ring change (NODEDOWN, NODEUP) are intermediate: they are collected, and
the RingChange that ends the change makes one view of them. JOIN, LEAVE and PROCDOWN outside a ring change are views at
once. Nothing is told before we are a member ourselves and the ring is known. A ghost, that is a member whose node is
not in the ring, is left out: Corosync up to 3.1.10 keeps a process for ever that joined and died within one
synchronisation.
"""

from momentum_node.bus.callbacks import OF_THE_RING, Callback, GroupChange, Message, RingChange
from momentum_node.bus.contract import BusEvent, Delivered, Member, ViewChanged


class ViewCollector:
    """The membership of one process in one group, fed with callbacks in order."""

    def __init__(self, local: Member) -> None:
        self._local = local
        self._listed: frozenset[Member] = frozenset()  # as CPG has it, ghosts included
        self._left: set[Member] = set()  # collected since the last view
        self._joined: set[Member] = set()
        self._in_ring_change = False
        self._ring: frozenset[int] | None = None
        self._view: ViewChanged | None = None

    def feed(self, callback: Callback) -> BusEvent | None:
        """The event this callback amounts to; None when there is nothing to tell (yet)."""
        match callback:
            case Message(sender, data):
                return Delivered(sender, data) if self._is_member(sender) else None
            case GroupChange():
                return self._group_changed(callback)
            case RingChange(nodes):
                self._ring = nodes
                self._in_ring_change = False
                return self._new_view()

    def _is_member(self, sender: Member) -> bool:
        return self._view is not None and sender in self._view.members

    def _group_changed(self, change: GroupChange) -> BusEvent | None:
        self._listed = frozenset(change.members)
        self._left.update(member for member, _ in change.left)
        self._joined.update(member for member, _ in change.joined)
        reasons = {reason for _, reason in (*change.left, *change.joined)}
        self._in_ring_change = self._in_ring_change or bool(reasons & OF_THE_RING)
        return None if self._in_ring_change else self._new_view()

    def _new_view(self) -> ViewChanged | None:
        if self._ring is None or self._local not in self._listed:
            return None
        before = frozenset(self._view.members) if self._view else frozenset()
        now = frozenset(member for member in self._listed if member.node_id in self._ring)
        left = (self._left & before) | (before - now)
        # Whoever left and is listed came back; whoever is reported as joined is new even if we never saw it leave.
        joined = (self._joined & now) | (now - before) | (left & now)
        self._left.clear()
        self._joined.clear()
        return self._told(ViewChanged(tuple(sorted(now)), frozenset(joined), frozenset(left), self._ring))

    def _told(self, view: ViewChanged) -> ViewChanged | None:
        is_news = self._view is None or view.left or view.joined or view.reachable != self._view.reachable
        if not is_news:
            return None
        self._view = view
        return view
