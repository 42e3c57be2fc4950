"""What the workers of a node know of a routing domain: its hosts as they were looked up last, and its queues. Pure.

One worker's word, and all of them `together`, are plain JSON:
    hosts   preference host address port open rests_s failures why connect_ms delivery_ms (null: not known)
    queues  binding active delayed connections
    lookup  why there is no host, or null
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Protocol, TypeAlias

from momentum_node.smtp.hosts import Hosts
from momentum_node.smtp.paces import Paces
from momentum_node.smtp.routes import NoRoute, Target
from momentum_node.spool.schedule import Queue

MOST_CHARACTERS: Final = 60_000  # of a word: it goes in one frame
Known: TypeAlias = dict[str, Any]
_TIMES: Final = ("connect_ms", "delivery_ms")


class Line(Protocol):
    """A queue, and where its mail goes as it was looked up last."""

    queue: Queue
    found: list[Target] | NoRoute | None


def told(lines: Iterable[Line], hosts: Hosts, paces: Paces, now: float) -> Known:
    """One worker's word about the queues of a domain."""
    lines = list(lines)
    found = [line.found for line in lines]
    targets = dict.fromkeys(target for one in found if isinstance(one, list) for target in one)
    return {
        "hosts": [_host(target, hosts, paces, now) for target in targets],
        "queues": [_queue(line) for line in lines],
        "lookup": next((one.reply.text for one in found if isinstance(one, NoRoute)), None),
    }


def word(known: Known) -> str:
    """In JSON, as it is said: of too many rows the last ones are left out."""
    text = json.dumps(known)
    while len(text) > MOST_CHARACTERS:
        for rows in (known["hosts"], known["queues"]):
            del rows[len(rows) // 2 :]
        text = json.dumps(known)
    return text


def _host(target: Target, hosts: Hosts, paces: Paces, now: float) -> Known:
    rests_s, failures, why = hosts.rest(target.address, now)
    pace = paces.of(target.address)
    return {
        "preference": target.preference,
        "host": target.host,
        "address": target.address,
        "port": target.port,
        "open": hosts.connections(target.address),
        "rests_s": rests_s,
        "failures": failures,
        "why": why,
        "connect_ms": None if pace.connect_s is None else pace.connect_s * 1000,
        "delivery_ms": None if pace.delivery_s is None else pace.delivery_s * 1000,
    }


def _queue(line: Line) -> Known:
    queue = line.queue
    return {
        "binding": queue.key.binding,
        "active": len(queue.active),
        "delayed": len(queue.delayed),
        "connections": queue.connections,
    }


# -- all workers


def together(words: Iterable[Known]) -> Known:
    """What they know between them: counts are added, times are the mean of those that know one."""
    words = list(words)
    hosts = _grouped((one for word in words for one in word["hosts"]), ("preference", "host", "address", "port"))
    queues = _grouped((one for word in words for one in word["queues"]), ("binding",))
    return {
        "hosts": [_one_host(rows) for rows in hosts],
        "queues": [
            {"binding": rows[0]["binding"], **{name: _sum(rows, name) for name in ("active", "delayed", "connections")}}
            for rows in queues
        ],
        "lookup": next((word["lookup"] for word in words if word["lookup"]), None),
    }


def _grouped(rows: Iterable[Known], names: tuple[str, ...]) -> Iterator[list[Known]]:
    groups: dict[tuple[Any, ...], list[Known]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in names), []).append(row)
    return (groups[key] for key in sorted(groups))


def _one_host(rows: list[Known]) -> Known:
    longest = max(rows, key=lambda row: float(row["rests_s"]))
    times = {name: [float(row[name]) for row in rows if row[name] is not None] for name in _TIMES}
    means = {name: round(sum(some) / len(some), 1) if some else None for name, some in times.items()}
    return {**longest, "open": _sum(rows, "open"), "rests_s": round(longest["rests_s"], 1), **means}


def _sum(rows: Iterable[Mapping[str, Any]], name: str) -> int:
    return sum(int(row[name]) for row in rows)


# -- for people


def described(domain: str, known: Known) -> str:
    """As text: `=>` is the next choice, `*` a host that rests."""
    free = [row for row in known["hosts"] if not row["rests_s"]]
    choice = min(free, key=lambda row: (row["preference"], row["open"]), default=None)
    lines = [f"{domain}: {known['lookup']}" if known["lookup"] else domain]
    lines += ["   PREF HOST                           ADDRESS                     OPEN  CONNECT DELIVERY"]
    for row in known["hosts"]:
        mark = "=>" if row is choice else "* " if row["rests_s"] else "  "
        where = f"{row['host']:<30} {row['address']}:{row['port']}"
        lines.append(f"{mark} {row['preference']:>4} {where:<58} {row['open']:>4} {_times(row)}")
        if row["rests_s"]:
            lines.append(f"        rests {row['rests_s']:.0f} s, {row['failures']} in a row: {row['why']}")
    lines += ["   BINDING                        ACTIVE  DELAYED CONNECTIONS"]
    lines += [
        f"   {row['binding']:<30} {row['active']:>6} {row['delayed']:>8} {row['connections']:>11}"
        for row in known["queues"]
    ]
    return "\n".join(lines)


def _times(row: Known) -> str:
    return " ".join("       -" if row[name] is None else f"{row[name]:>5.0f} ms" for name in _TIMES)
