"""Signs of life: what we say, whom we have not heard, and whether the bus still brings our own words back.

    BEACON      every 100 ms from joining on. Its age when it was last delivered to ourselves is the only sign that the
                bus works: neither a view nor a quorum is one (failover §0.6)
    HEARTBEAT   from `heartbeat_start_delay` on; carries the table's digest (cluster §2.12)

Somebody else's silence is measured against what came back to us: while nothing does, or while this process itself
stood still, nobody is blamed.
"""

from collections.abc import Iterable

from momentum_node.bus.contract import Member
from momentum_node.duravip.vip import Policy

LEAST_SILENCE_S = 5.0
BEATS_MISSED = 10


class Liveness:
    """The clocks of one membership."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._heard: dict[Member, float] = {}
        self._came_back = 0.0
        self._beacon_due = 0.0
        self._heartbeat_due = 0.0
        self._under_way = [0, 0]  # numbers of our last BEACON and HEARTBEAT: there is never a second one on its way
        self._gather_began: float | None = None
        self._accused: set[Member] = set()

    # -- what happens ----------------------------------------------------------------------------

    def view(self, members: Iterable[Member], new: Iterable[Member], now: float) -> None:
        """Another member list; `new` ones get their time."""
        if self._began is None:
            self._began = self._came_back = self._beacon_due = self._heartbeat_due = now
        fresh = set(new)
        self._heard = {member: now if member in fresh else self._heard.get(member, now) for member in members}
        self._accused &= self._heard.keys() - fresh

    def gathers(self, now: float) -> None:
        """States are due."""
        self._gather_began = now
        self._accused.clear()

    def has_gathered(self) -> None:
        """They are in."""
        self._gather_began = None

    def heard(self, sender: Member, now: float) -> None:
        """Anything a member says shows that it lives."""
        self._heard[sender] = now

    def came_back(self, now: float) -> None:
        """Something of ours was delivered to ourselves."""
        self._came_back = now

    # -- what to say -----------------------------------------------------------------------------

    def beacon_is_due(self, now: float, delivered: int, policy: Policy) -> bool:
        """Send BEACON now."""
        return bool(policy.beacon_s) and now >= self._beacon_due and delivered >= self._under_way[0]

    def heartbeat_is_due(self, now: float, delivered: int, policy: Policy) -> bool:
        """Send HEARTBEAT now: after the start delay, and in every gather."""
        due = self._first_heartbeat(policy)
        return due is not None and now >= due and delivered >= self._under_way[1]

    def sent_beacon(self, sequence: int, now: float, policy: Policy) -> None:
        """It is on its way."""
        self._under_way[0], self._beacon_due = sequence, now + policy.beacon_s

    def sent_heartbeat(self, sequence: int, now: float, policy: Policy) -> None:
        """It is on its way."""
        self._under_way[1], self._heartbeat_due = sequence, now + 1.0 / policy.heartbeats_per_sec

    def _first_heartbeat(self, policy: Policy) -> float | None:
        if not policy.heartbeats_per_sec or self._began is None:
            return None
        if self._gather_began is not None:
            return self._heartbeat_due
        return max(self._heartbeat_due, self._began + policy.heartbeat_start_delay_s)

    # -- what to conclude ------------------------------------------------------------------------

    def age(self, now: float) -> float:
        """Seconds since something of ours was last delivered to us (self-delivery age)."""
        return now - self._came_back if self._began is not None else 0.0

    def is_cut_off(self, now: float, policy: Policy) -> bool:
        """Too long: who cannot prove membership lets go (failover §5.4 no. 5)."""
        return bool(policy.self_drop_s and policy.beacon_s) and self.age(now) > policy.self_drop_s

    def silent(self, policy: Policy) -> list[Member]:
        """Members that are due to be suspected, each named once."""
        limit = _silence(policy)
        if limit is None:
            return []
        found = [m for m, heard in self._heard.items() if self._came_back - heard >= self._patience(limit, policy)]
        return [member for member in found if member not in self._accused]

    def missing(self, waited_for: Iterable[Member], policy: Policy) -> list[Member]:
        """Members whose STATE is due for so long that they are to be suspected, each named once."""
        limit = _silence(policy)
        if limit is None or self._gather_began is None or self._came_back - self._gather_began < limit:
            return []
        return [member for member in waited_for if member not in self._accused]

    def _patience(self, limit: float, policy: Policy) -> float:
        return limit if policy.beacon_s else limit + policy.heartbeat_start_delay_s

    def accuse(self, members: Iterable[Member]) -> None:
        """SUSPECT is on its way."""
        self._accused |= set(members)

    def next_due(self, delivered: int, policy: Policy) -> list[float]:
        """When something is to be said or concluded."""
        due = []
        if policy.beacon_s and delivered >= self._under_way[0]:
            due.append(self._beacon_due)
        heartbeat = self._first_heartbeat(policy)
        if heartbeat is not None and delivered >= self._under_way[1]:
            due.append(heartbeat)
        if policy.self_drop_s and policy.beacon_s:
            due.append(self._came_back + policy.self_drop_s + 0.001)
        return due


def _silence(policy: Policy) -> float | None:
    """How long a member may say nothing; None = for ever."""
    if not policy.heartbeats_per_sec:
        return None
    return max(LEAST_SILENCE_S, BEATS_MISSED / policy.heartbeats_per_sec)


class Doubts:
    """Compares digests of tables that took the same events: a difference is a defect, and somebody must start anew.

    A member is believed when it says the same twice: what it said once may have been on its way since before a gather.
    """

    def __init__(self) -> None:
        self._said: dict[Member, tuple[int, bytes]] = {}
        self._repeated: set[Member] = set()

    def forget(self) -> None:
        """Another view: events are counted anew."""
        self._said.clear()
        self._repeated.clear()

    def hear(self, sender: Member, events: int, digest: bytes) -> None:
        """A heartbeat of this view; without a digest its sender had no table yet."""
        if not digest:
            return
        if self._said.get(sender) == (events, digest):
            self._repeated.add(sender)
        else:
            self._repeated.discard(sender)
        self._said[sender] = events, digest

    def minority(self, names: dict[Member, str], events: int) -> tuple[set[Member], bool]:
        """(who must start anew, whether there is any difference), once all have spoken of the same event.

        The larger party is right, of two equal ones the one with the first name.
        """
        parties: dict[bytes, list[Member]] = {}
        for member in names:
            said = self._said.get(member)
            if said is None or said[0] != events or member not in self._repeated:
                return set(), False
            parties.setdefault(said[1], []).append(member)
        right = min(parties.values(), key=lambda party: (-len(party), min(names[member] for member in party)))
        return set(names) - set(right), len(parties) > 1
