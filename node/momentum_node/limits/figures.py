"""Figures of the mail path that change all the time: summed over workers, and as metrics.

They are kept out of the node's report, which is only made anew when something happens.
"""

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate, islice, zip_longest
from typing import Any, Final, TypeAlias

from momentum_node.looplag import BOUNDS_S
from momentum_node.spool.classification import NAMES
from momentum_node.spool.schedule import Queue, Schedule
from momentum_node.worker_link import Figures

TOP_QUEUES: Final = 20
QUEUES_AT_ONCE: Final = 3000
Sums: TypeAlias = dict[str, Any]  # plain JSON: see `total`


class QueueFigures:
    """The longest queues, and the oldest message of all. Some thousand queues are looked at in one go: of a hundred
    thousand the figures are those of the last round, which takes a minute."""

    def __init__(self) -> None:
        self._round: list[Queue] = []
        self._longest: list[Queue] = []
        self._oldest = self._oldest_before = math.inf  # when it was made: in this round, in the one before

    def of(self, schedule: Schedule, now: float) -> tuple[list[tuple[str, str, int, float]], int, float]:
        """The longest queues as (binding, domain, messages, age of the oldest), all that are active, the oldest age."""
        self._go_on(schedule)
        rows = [(one.key.binding, one.key.domain, _length(one), now - _oldest(one)) for one in self._longest]
        oldest = min(self._oldest, self._oldest_before)
        return rows, schedule.waiting.active, 0.0 if oldest == math.inf else now - oldest

    def _go_on(self, schedule: Schedule) -> None:
        """A part of a round; the next one begins when it is over."""
        if not self._round:
            self._round = schedule.all()
            self._oldest, self._oldest_before = math.inf, self._oldest
        part = self._round[-QUEUES_AT_ONCE:]
        del self._round[-QUEUES_AT_ONCE:]
        self._oldest = min([self._oldest, *map(_oldest, part)])
        candidates = [one for one in dict.fromkeys((*self._longest, *part)) if not one.is_empty]
        self._longest = heapq.nlargest(TOP_QUEUES, candidates, key=_length)
        if not self._round:
            self._oldest_before = math.inf


def _length(queue: Queue) -> int:
    return len(queue.active) + len(queue.delayed)


def _oldest(queue: Queue) -> float:
    """When the oldest message of a queue was made, of those that stand at its ends: good within the order of arrival.
    Infinite when there is none."""
    first = [queue.active.first, queue.active.last] if queue.active else []
    messages = first + list(islice(queue.delayed, 100))
    return min((message.envelope.created for message in messages), default=math.inf)


def total(figures: Iterable[Figures], denials: Mapping[str, int]) -> Sums:
    """The sum over all workers, and what the limits denied."""
    classes: Counter[int] = Counter()
    secured: Counter[str] = Counter()
    queues: dict[tuple[str, str], tuple[int, float]] = {}
    sums: Sums = dict.fromkeys(
        ("active", "commits", "quarantined", "policy_failures", "dkim_signed", "moved", "arrived", "held"), 0
    )
    sums.update(commit_seconds=0.0, loop_lag_seconds=0.0, oldest_seconds=0.0, denials=dict(denials))
    sums.update(loop_delays=[0] * len(BOUNDS_S), loop_delay_seconds=0.0)
    for one in figures:
        classes.update(dict(one.by_class))
        secured.update(dict(one.secured))
        for binding, domain, count, age in one.queues:
            have = queues.get((binding, domain), (0, 0.0))
            queues[binding, domain] = (have[0] + count, max(have[1], age))
        sums["active"] += one.active
        sums["commits"] += one.commits
        sums["commit_seconds"] += one.commit_s
        sums["quarantined"] += one.quarantined
        sums["policy_failures"] += one.policy_failures
        sums["dkim_signed"] += one.signed
        sums["moved"] += one.moved
        sums["arrived"] += one.arrived
        sums["held"] += one.held
        sums["loop_delays"] = list(map(sum, zip_longest(sums["loop_delays"], one.loop_delays, fillvalue=0)))
        sums["loop_delay_seconds"] += one.loop_delay_s
        sums["loop_lag_seconds"] = max(sums["loop_lag_seconds"], one.loop_lag_s)
        sums["oldest_seconds"] = max(sums["oldest_seconds"], one.oldest_s)
    longest = sorted(queues.items(), key=lambda item: (-item[1][0], item[0]))[:TOP_QUEUES]
    sums["queues"] = [[*key, count, age] for key, (count, age) in longest]
    sums["secured"] = sorted(secured.items())
    sums["classes"] = [[code, count] for code, count in sorted(classes.items())]
    return sums


def render(sums: Sums) -> str:
    """The sums in the Prometheus text format."""
    return "".join(f"{line}\n" for line in _lines(sums))


def _lines(sums: Sums) -> Iterator[str]:
    for name, kind, meaning, key in (
        ("momentum_mail_active_messages", "gauge", "Messages to be delivered now.", "active"),
        ("momentum_mail_oldest_message_seconds", "gauge", "Age of the oldest message.", "oldest_seconds"),
        ("momentum_spool_commits_total", "counter", "Group commits.", "commits"),
        ("momentum_spool_commit_seconds_total", "counter", "Time spent in group commits.", "commit_seconds"),
        ("momentum_spool_quarantined_pieces", "gauge", "Pieces in quarantine.", "quarantined"),
        (
            "momentum_mail_loop_lag_seconds",
            "gauge",
            "Longest delay of a worker's loop, lately.",
            "loop_lag_seconds",
        ),
        ("momentum_mail_policy_failures_total", "counter", "Calls of the policy that failed.", "policy_failures"),
        ("momentum_mail_dkim_signed_total", "counter", "Messages signed.", "dkim_signed"),
        ("momentum_mail_moved_total", "counter", "Messages handed to other nodes.", "moved"),
        ("momentum_mail_arrived_total", "counter", "Messages that other nodes handed over.", "arrived"),
        ("momentum_mail_held_messages", "gauge", "Messages that neither leave nor are delivered for now.", "held"),
    ):
        yield from _family(name, kind, meaning, [("", sums[key])])
    yield from _family("momentum_mail_loop_delay_seconds", "histogram", "Delays of workers' loops.", _delays(sums))
    labelled = [(_labels(binding=row[0], domain=row[1]), row) for row in sums["queues"]]
    yield from _family(
        "momentum_mail_queue_messages",
        "gauge",
        f"Messages of the {TOP_QUEUES} longest queues.",
        [(labels, row[2]) for labels, row in labelled],
    )
    yield from _family(
        "momentum_mail_queue_oldest_seconds",
        "gauge",
        "Age of the oldest message of these queues.",
        [(labels, row[3]) for labels, row in labelled],
    )
    classes = [(_labels(**{"class": NAMES.get(code, str(code))}), count) for code, count in sums["classes"]]
    yield from _family("momentum_mail_refusals_total", "counter", "Refused attempts by class.", classes)
    connections = [(_labels(tls=version), count) for version, count in sums["secured"]]
    yield from _family("momentum_mail_outbound_connections_total", "counter", "Connections by TLS.", connections)
    denials = [(_labels(limit=option), count) for option, count in sorted(sums["denials"].items())]
    yield from _family("momentum_mail_limit_denials_total", "counter", "How often a limit made mail wait.", denials)


def _delays(sums: Sums) -> Iterator[tuple[str, float]]:
    counts = list(accumulate(sums["loop_delays"]))
    for bound, count in zip(BOUNDS_S, counts, strict=True):
        yield f'_bucket{{le="{"+Inf" if bound == math.inf else bound}"}}', count
    yield "_sum", sums["loop_delay_seconds"]
    yield "_count", counts[-1]


def _labels(**labels: str) -> str:
    escaped = (
        (name, value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")) for name, value in labels.items()
    )
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped) + "}"


def _family(name: str, kind: str, meaning: str, samples: Iterable[tuple[str, float]]) -> Iterator[str]:
    yield f"# HELP {name} {meaning}"
    yield f"# TYPE {name} {kind}"
    yield from (f"{name}{labels} {value:.15g}" for labels, value in samples)
