"""Hearing for others: whether a host still answers for an address that another member is about to plumb. Pure.

    another member is granted an address that nobody said he removed
        └─▶ Witness ──▶ the wire ──▶ a stranger answers ──▶ CONTESTED on the bus ──▶ whoever is to plumb it waits
                 ▲────── again, ever more slowly ──────┘     silence, or a member's answer: the word is taken back

Whoever is to plumb an address asks the wire himself. Where frames are lost in one direction only he may not hear the
answer of the host that has it, and two would have it (failover F15); so others listen too. All that takes place within
the 40 ms for which he waits for his own answer: where nobody answers it costs no time.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from momentum_node.bus.contract import Member
from momentum_node.config.model import Address
from momentum_node.duravip.messages import Contested

WITNESSES: Final = 3
"""Members that listen for each owner, those after him by name: in a cluster of up to four all the others."""
BURST: Final = 128
RATE: Final = 512.0
"""Questions at once, and a second. What is more than that at once is not asked at all: it would come too late."""
AGAIN_S: Final = (0.01, 0.2)
"""Pauses between two questions while a stranger answers, the first and the longest."""
REPEAT_S: Final = 0.4
"""A word is said again after so long."""
WORD_S: Final = 1.0
"""A word that is not said again counts for so long: its witness may have died."""
LIMIT_S: Final = 12.0
"""By then whoever was to plumb it has given up: the longest lease, 10 s, and one more (failover §5.4)."""
NOBODY: Final = b""


@dataclass(slots=True)
class _Watch:
    """One address; `due` is when to ask again, None while the wire is asked."""

    until: float
    pause_s: float = AGAIN_S[0]
    due: float | None = None
    said: bytes = NOBODY
    said_at: float = 0.0


class Witnessing:
    """The addresses that this member listens for now, in the name of others."""

    def __init__(self) -> None:
        self._watches: dict[Address, _Watch] = {}
        self._questions: list[Address] = []
        self._words: dict[bytes, list[Address]] = {}
        self._tokens = float(BURST)
        self._filled = 0.0

    def begin(self, vips: Iterable[Address], now: float) -> None:
        """Others are about to plumb these."""
        self._fill(now)
        for vip in vips:
            if self._tokens < 1:
                return
            self._watches[vip] = _Watch(now + LIMIT_S)
            self._ask(vip)

    def heard(self, vip: Address, mac: bytes | None, now: float) -> None:
        """Who answered, None = nobody, or a member."""
        watch = self._watches.get(vip)
        if watch is None:
            return
        if mac is None:
            del self._watches[vip]
            if watch.said:
                self._words.setdefault(NOBODY, []).append(vip)
            return
        if mac != watch.said or now - watch.said_at >= REPEAT_S:
            watch.said, watch.said_at = mac, now
            self._words.setdefault(mac, []).append(vip)
        watch.due = now + watch.pause_s
        watch.pause_s = min(AGAIN_S[1], 2 * watch.pause_s)

    def turn(self, now: float) -> None:
        """Time has passed: ask again where it is due, forget what is over."""
        if not self._watches:
            return
        self._fill(now)
        for vip, watch in list(self._watches.items()):
            if now >= watch.until:
                del self._watches[vip]
            elif watch.due is not None and watch.due <= now and self._tokens >= 1:
                watch.due = None
                self._ask(vip)

    def questions(self) -> tuple[Address, ...]:
        """What to ask the wire now; each handed out once."""
        questions, self._questions = self._questions, []
        return tuple(questions)

    def words(self) -> list[Contested]:
        """What to tell the group now; each handed out once."""
        words, self._words = self._words, {}
        return [Contested(tuple(vips), mac) for mac, vips in words.items()]

    def next_due(self, now: float) -> float | None:
        """When to call `turn`; None = nothing is to come."""
        due = min((watch.until if watch.due is None else watch.due for watch in self._watches.values()), default=None)
        if due is None:
            return None
        return max(due, now + 1 / RATE) if self._tokens < 1 else due

    def _ask(self, vip: Address) -> None:
        self._tokens -= 1
        self._questions.append(vip)

    def _fill(self, now: float) -> None:
        self._tokens = min(float(BURST), self._tokens + max(0.0, now - self._filled) * RATE)
        self._filled = now


class Hearsay:
    """What witnesses say of one address that is to be plumbed here. Who hears a host himself needs no witness of it."""

    def __init__(self) -> None:
        self._words: dict[Member, tuple[bytes, float]] = {}
        self._heard: set[bytes] = set()

    def said(self, witness: Member, mac: bytes, now: float) -> None:
        """`witness` hears that `mac` answers, or nobody any more."""
        self._words.pop(witness, None)
        if mac:
            self._words[witness] = (mac, now)

    def heard(self, mac: bytes) -> None:
        """Its answers reach us: when they end it has let go, whatever others say later."""
        self._heard.add(mac)

    def against(self, now: float) -> bytes | None:
        """Who still has it by the word of others, None = nobody."""
        valid = (mac for mac, at in self._words.values() if now - at < WORD_S and mac not in self._heard)
        return next(valid, None)

    def forget(self) -> None:
        """A new attempt begins."""
        self._words.clear()
        self._heard.clear()


def hears_for(names: Sequence[Member], local: Member) -> Collection[Member]:
    """For which owners `local` is a witness; `names` = the members by name."""
    at = names.index(local)
    return {names[at - back] for back in range(1, WITNESSES + 1) if back < len(names)}
