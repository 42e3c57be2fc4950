"""Agreed order and group lists of one ring, as Corosync's CPG service keeps them. Pure: entries in, callbacks out.

    history   what the nodes of one ring agree on: numbered entries (somebody joined, left, sent)
    lists     what one node knows: the members of each group after the entries it applied so far

The embedded engine has one history and one list for everybody. The test network has a list for every node and delays
between the two, and uses `History.kept_by` when a ring breaks: nodes that go together keep the same entries.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from momentum_node.bus.callbacks import Callback, GroupChange, Message, Reason
from momentum_node.bus.contract import Member
from momentum_node.errors import BusError


@dataclass(frozen=True, slots=True)
class Joined:
    """`member` came into `group`."""

    group: str
    member: Member


@dataclass(frozen=True, slots=True)
class Left:
    """`member` went: LEAVE when it said so, PROCDOWN when its process died."""

    group: str
    member: Member
    reason: Reason


@dataclass(frozen=True, slots=True)
class Sent:
    """`member` sent `data` to `group`."""

    group: str
    member: Member
    data: bytes


Entry: TypeAlias = Joined | Left | Sent
Groups: TypeAlias = dict[str, frozenset[Member]]


class AlreadyJoined(BusError):
    """The same process is in the group already (CS_ERR_EXIST)."""


class History:
    """The entries of one ring in their agreed order."""

    def __init__(self, nodes: frozenset[int]) -> None:
        self.nodes = nodes
        self.entries: list[Entry] = []

    def append(self, entry: Entry) -> int:
        """Give `entry` its place in the order, counted from 0."""
        self.entries.append(entry)
        return len(self.entries) - 1

    def kept_by(self, together: frozenset[int], received: int) -> list[Entry]:
        """The entries that the nodes going `together` into a new ring deliver of this one: all of them the same.

        These are the first `received` ones, and of the later ones those that their own nodes sent: a sender always
        has its own copy, while what only lost nodes had is lost with them.
        """
        own = [entry for entry in self.entries[received:] if entry.member.node_id in together]
        return self.entries[:received] + own


class GroupLists:
    """The members of each group, as one node knows them."""

    def __init__(self) -> None:
        self._groups: Groups = {}

    def members(self, group: str) -> tuple[Member, ...]:
        """Sorted by (node id, pid), as CPG's lists are."""
        return tuple(sorted(self._groups.get(group, frozenset())))

    def groups_of(self, node_id: int) -> Groups:
        """The members that run on one node: what it tells the others when rings meet."""
        mine = {group: frozenset(m for m in members if m.node_id == node_id) for group, members in self._groups.items()}
        return {group: members for group, members in mine.items() if members}

    def apply(self, entry: Entry) -> Callback | None:
        """What the members of `entry.group` are told. None for what concerns a member that is not (or no longer) in.

        Raises `AlreadyJoined` for a second join of the same member.
        """
        known = self._groups.get(entry.group, frozenset())
        match entry:
            case Joined(group, member):
                if member in known:
                    raise AlreadyJoined(f"process {member.pid} of node {member.node_id} is in group {group} already")
                self._groups[group] = known | {member}
                return GroupChange(self.members(group), joined=((member, Reason.JOIN),))
            case Left(group, member, reason):
                if member not in known:
                    return None
                self._groups[group] = known - {member}
                return GroupChange(self.members(group), left=((member, reason),))
            case Sent(_, member, data):
                return Message(member, data) if member in known else None

    def ring_lost(self, together: frozenset[int]) -> dict[str, GroupChange]:
        """First half of a ring change: for each group, the members whose nodes did not come along are down."""
        changes = {}
        for group, members in sorted(self._groups.items()):
            gone = sorted(member for member in members if member.node_id not in together)
            if gone:
                self._groups[group] = members - frozenset(gone)
                changes[group] = GroupChange(self.members(group), left=tuple((m, Reason.NODEDOWN) for m in gone))
        return changes

    def ring_found(self, arrivals: Mapping[str, frozenset[Member]]) -> dict[str, GroupChange]:
        """Second half: the members on nodes that came from other rings are up."""
        changes = {}
        for group, members in sorted(arrivals.items()):
            new = sorted(members - self._groups.get(group, frozenset()))
            if new:
                self._groups[group] = self._groups.get(group, frozenset()) | frozenset(new)
                changes[group] = GroupChange(self.members(group), joined=tuple((m, Reason.NODEUP) for m in new))
        return changes
