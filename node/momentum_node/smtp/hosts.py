"""What one worker knows of next hops: which failed lately and how often, how many connections each has, and which
ones get no TLS although they offer it. Pure; `now` is the wall clock.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from momentum_node.smtp.reply import Reply, reply
from momentum_node.smtp.routes import Target

NO_CONNECTION: Final = reply(451, "4.4.1", "[internal] No valid hosts (unable to make any connections)")
SHORTEST_REST_S: Final = 1.0  # Host_Failure_Retry = 0 does not mean a connection a millisecond
FORGET_S: Final = 86_400.0
MOST_TURNS: Final = 100_000  # addresses whose last turn is remembered


@dataclass(slots=True)
class _Failed:
    until: float
    why: Reply
    count: int  # rests in a row


@dataclass(frozen=True, slots=True)
class Silence:
    """No host of a queue takes a connection now."""

    why: Reply  # what the one that failed last said, or what was found of it
    failures: int  # in a row, of the host that failed least
    until: float  # when the first of them is tried again
    host: str = ""  # of which `why` speaks


class Hosts:
    """By address, whatever the port. `manner`: what a queue asks of a connection besides; who asks for less may get
    what others do not.
    """

    def __init__(self) -> None:
        self._failed: dict[tuple[str, Hashable], _Failed] = {}
        self._plain: dict[str, float] = {}  # until when
        self._open: defaultdict[str, int] = defaultdict(int)
        self._turns: dict[str, int] = {}  # the how-manieth connection the last one was
        self._connections = 0

    def tick(self, now: float) -> None:
        """Forget what is long over."""
        self._failed = {key: one for key, one in self._failed.items() if one.until + FORGET_S > now}
        self._plain = {address: until for address, until in self._plain.items() if until > now}

    # -- what happened

    def failed(
        self, address: str, why: Reply, rest_s: float, now: float, manner: Hashable = None, counted: int = 1
    ) -> int:
        """It took no connection, or none for letters of this manner: leave it alone. Failures within one rest are one.

        `manner` None: it is the same for everybody. `counted`: rests in a row as another worker has counted. Gives the
        rests in a row when one begins, else 0.
        """
        before = self._failed.get((address, manner))
        if before is not None and before.until > now:
            before.why, before.count = why, max(before.count, counted)
            return 0
        count = max(counted, 1 if before is None else before.count + 1)
        self._failed[address, manner] = _Failed(now + max(rest_s, SHORTEST_REST_S), why, count)
        return count

    def reached(self, address: str, manner: Hashable = None) -> bool:
        """It takes letters of this manner. True: that is new for everybody."""
        was_resting = (address, None) in self._failed
        for key in ((address, None), (address, manner)):
            self._failed.pop(key, None)
        return was_resting

    def tls_failed(self, address: str, rest_s: float, now: float) -> None:
        """TLS does not come about with it: do without for a while."""
        self._plain[address] = now + max(rest_s, SHORTEST_REST_S)

    def opened(self, address: str) -> None:
        """One more connection."""
        self._open[address] += 1
        self._connections += 1
        if len(self._turns) >= MOST_TURNS:
            self._turns.clear()
        self._turns[address] = self._connections

    def closed(self, address: str) -> None:
        """One less."""
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]

    # -- what is asked

    def is_plain(self, address: str, now: float) -> bool:
        """No TLS with it for now."""
        return self._plain.get(address, 0.0) > now

    def usable(self, targets: Iterable[Target], now: float, manner: Hashable = None) -> list[Target]:
        """Those to try, in order: no failure lately, lower preference first, then fewer open connections, then in turn.

        Equal ones share the load also where one connection comes after the other (RFC 5321 §5.1).
        """
        rested = [one for one in targets if all(failed.until <= now for failed in self._known(one.address, manner))]
        return sorted(rested, key=self._order)

    def _order(self, one: Target) -> tuple[int, int, int]:
        return one.preference, self._open.get(one.address, 0), self._turns.get(one.address, 0)

    def _known(self, address: str, manner: Hashable) -> Iterator[_Failed]:
        keys = ((address, None), (address, manner)) if manner is not None else ((address, None),)
        return (self._failed[key] for key in keys if key in self._failed)

    def connections(self, address: str) -> int:
        """Open ones of this worker."""
        return self._open.get(address, 0)

    def rest(self, address: str, now: float) -> tuple[float, int, str]:
        """For how long it is left alone by everybody, after how many failures in a row, and why; 0: it is not."""
        failed = self._failed.get((address, None))
        if failed is None or failed.until <= now:
            return 0.0, 0, ""
        return failed.until - now, failed.count, failed.why.text

    def silence(self, targets: Sequence[Target], now: float, manner: Hashable = None) -> Silence:
        """What to say of a queue with these hosts, none of which takes a connection."""
        rests = [
            (max(self._known(one.address, manner), key=lambda one: one.until, default=None), one) for one in targets
        ]
        known = [(failed, target) for failed, target in rests if failed is not None]
        if not known:
            return Silence(NO_CONNECTION, 0, now)
        failures = min(failed.count for failed, _ in known) if len(known) == len(rests) else 0
        last, target = max(known, key=lambda one: one[0].until)
        return Silence(last.why, failures, min(failed.until for failed, _ in known), target.host)
