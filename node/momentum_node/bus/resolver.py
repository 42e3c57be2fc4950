"""Who leaves a ring that stands still because two of its nodes do not hear each other, and when it may return. Pure.

One broken pair can stop the token of everybody: the two ends never agree on a ring, and who hears both waits for ever
(known and expected upstream: corosync issue 750). When one end leaves, the others deliver again at once. So the nodes
tell each other their rows (`rows.py`), and all find the same victim in the same rows:

    a ring that delivers             nobody, whatever pair is broken: peers retransmit for each other
    stuck, and no pair is broken     nobody; the last resort restarts a daemon after a long time, one node at a time
    stuck, and pairs are broken      of their ends the one with the fewest links, then with the highest node id,
                                     as long as those who stay are a majority of the node list
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

PERSISTENCE_S = 0.3
"""The same victim for so long: rows of others arrive one after the other."""
FIRST_STAY_S, LONGEST_STAY_S = 5.0, 300.0
"""A victim stays out at least so long; twice as long each time it comes back to a ring that stops again."""
RELAPSE_S = 120.0
"""A ring that went well for so long after a return did not stop because of it."""
FULL_S = 2.0
GIVE_UP_S = 600.0
"""Nobody tells us anything for so long: our port of the rows may be closed, so try the ring itself."""
LEAST_SILENCE_S = 10.0
RESTART_PAUSE_S = 120.0
STAGGER_S = 5.0
RESTART_STAY_S = 1.0


@dataclass(frozen=True, slots=True)
class Row:
    """What a node says of itself. `lacks`: listed nodes it has no link to.

    `is_stuck`: nothing of its own comes back, or its ring forms again and again. `is_away`: its daemon does not run, or
    did not yet for long: its missing links say nothing.
    """

    node_id: int
    lacks: frozenset[int] = frozenset()
    is_stuck: bool = False
    is_away: bool = False


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds, from the ring's timing. `self_drop_s`: after so long without self-delivery addresses are dropped."""

    resolver_s: float
    self_drop_s: float

    @property
    def restart_s(self) -> float:
        """Without self-delivery for so long a daemon is restarted, whatever the reason is."""
        return max(LEAST_SILENCE_S, 2 * self.self_drop_s)


class Act(Enum):
    """What a node does now."""

    NOTHING = auto()
    REPORT = auto()
    LEAVE = auto()
    STAY_OUT = auto()
    RETURN = auto()


@dataclass(frozen=True, slots=True)
class Verdict:
    """With its reason; equal ones need not be told twice."""

    act: Act
    reason: str = ""


def broken_pairs(rows: Mapping[int, Row]) -> tuple[tuple[int, int], ...]:
    """Pairs (lower id, higher id) of nodes on the ring of which one has no link to the other."""
    ring = _on_the_ring(rows)
    return tuple((a, b) for a in ring for b in ring if a < b and (b in rows[a].lacks or a in rows[b].lacks))


def victim(rows: Mapping[int, Row], listed: frozenset[int]) -> int | None:
    """Who must leave now, or None: a function of the rows alone."""
    ring = _on_the_ring(rows)
    pairs = broken_pairs(rows)
    if not pairs or 2 * sum(rows[node].is_stuck for node in ring) < len(ring):
        return None
    missing = {node: sum(node in pair for pair in pairs) for node in ring}
    chosen = max((node for node in ring if missing[node]), key=lambda node: (missing[node], node))
    return chosen if _is_majority(frozenset(ring) - {chosen}, listed) else None


def _on_the_ring(rows: Mapping[int, Row]) -> list[int]:
    return sorted(node for node, row in rows.items() if not row.is_away)


def _is_majority(nodes: frozenset[int], listed: frozenset[int]) -> bool:
    """As addresses are judged: an exact half needs the lowest id of the list."""
    have = len(nodes & listed)
    return 2 * have > len(listed) or (2 * have == len(listed) and min(listed) in nodes)


class Resolver:
    """One node's part: fed about five times a second, says what to do. Its state: whether it is out, since when."""

    def __init__(self, own_id: int, listed: frozenset[int], patience: Patience) -> None:
        self._own_id = own_id
        self._listed = listed
        self._patience = patience
        self._chosen_since: float | None = None
        self._out_since: float | None = None
        self._full_since: float | None = None
        self._returned_at: float | None = None
        self._restarted_at: float | None = None
        self._stay_s = FIRST_STAY_S
        self._why = ""

    @property
    def is_out(self) -> bool:
        """Our Corosync is to be stopped."""
        return self._out_since is not None

    def judge(self, rows: Mapping[int, Row], silence_s: float, hears: frozenset[int], now: float) -> Verdict:
        """`rows`: the fresh ones, ours among them. `silence_s`: age of our last self-delivery. `hears`: nodes that
        exchange rows with us directly, both ways."""
        if self._out_since is not None:
            return self._while_out(self._out_since, rows, hears, now)
        chosen = victim(rows, self._listed)
        if self._has_persisted(is_chosen=chosen == self._own_id, now=now):
            return self._leave(_describe(rows, self._own_id), self._next_stay(now), now)
        if self._is_beyond_hope(rows, silence_s, now):
            self._restarted_at = now
            return self._leave(f"nothing came back from the ring for {silence_s:.0f} s", RESTART_STAY_S, now)
        return Verdict(Act.REPORT, _describe(rows, chosen)) if broken_pairs(rows) else Verdict(Act.NOTHING)

    def _has_persisted(self, *, is_chosen: bool, now: float) -> bool:
        if not is_chosen:
            self._chosen_since = None
        elif self._chosen_since is None:
            self._chosen_since = now
        return self._chosen_since is not None and now - self._chosen_since >= PERSISTENCE_S

    def _leave(self, why: str, stay_s: float, now: float) -> Verdict:
        self._out_since, self._stay_s, self._why = now, stay_s, why
        self._chosen_since = self._full_since = None
        return Verdict(Act.LEAVE, why)

    def _next_stay(self, now: float) -> float:
        relapsed = self._returned_at is not None and now - self._returned_at < RELAPSE_S
        return min(LONGEST_STAY_S, 2 * max(self._stay_s, FIRST_STAY_S)) if relapsed else FIRST_STAY_S

    def _while_out(self, since: float, rows: Mapping[int, Row], hears: frozenset[int], now: float) -> Verdict:
        others = rows.keys() - {self._own_id}
        is_restart = self._stay_s < FIRST_STAY_S
        if not (hears and others <= hears):
            self._full_since = None
        elif self._full_since is None:
            self._full_since = now
        is_full = self._full_since is not None and now - self._full_since >= FULL_S
        if now - since >= self._stay_s and (is_full or is_restart or now - since >= GIVE_UP_S):
            self._out_since, self._returned_at = None, now
            return Verdict(Act.RETURN, "every node hears us again" if is_full else "trying the ring anew")
        return Verdict(Act.STAY_OUT, self._why)

    def _is_beyond_hope(self, rows: Mapping[int, Row], silence_s: float, now: float) -> bool:
        """The last resort, one node after the other: nothing comes back although most links are up."""
        own = rows.get(self._own_id)
        rank = sorted(self._listed).index(self._own_id)
        if own is None or own.is_away or silence_s <= self._patience.restart_s + rank * STAGGER_S:
            return False
        is_rested = self._restarted_at is None or now - self._restarted_at >= RESTART_PAUSE_S
        return is_rested and 2 * len(own.lacks & self._listed) < len(self._listed) - 1


def _describe(rows: Mapping[int, Row], chosen: int | None) -> str:
    pairs = ", ".join(f"{a} and {b}" for a, b in broken_pairs(rows))
    said = f"nodes {pairs} do not hear each other"
    return said if chosen is None else f"{said} and the ring stands still: node {chosen} leaves it"
