"""`explain`, and the figures, over a Unix socket of the core: one JSON line in, one JSON line out.

→ {"binding": "b", "domain": "d.test", "host": "mx.d.test" | null}
← {"may_open": …, "why": …, "standings": […], …}   or   {"error": …}
→ {"refresh": "d.test"}   ← {"told": workers}
→ {"known": "d.test"}     ← {"words": ["…" of each worker]}, see `knowledge`
→ {"count": "SMTP", "of": "8-28"}   ← {"rows": [[block, connections], …], "more": n}, see `blocks`
→ {"audit": "192.0.2.0/24"}   ← `audit.words.Answer`, or {}: nothing is counted
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, cast

from momentum_node import oneline
from momentum_node.audit.words import Answer, block_of
from momentum_node.limits import blocks
from momentum_node.limits.desk import Desk
from momentum_node.limits.figures import Sums
from momentum_node.oneline import OneLineDesk

SOCKET: Final = "limits.sock"  # in the node's run folder
STEPS: Final = 500  # of looking at blocks in one go: 2 ms
MOST_ROWS: Final = 5_000


async def _nobody(_domain: str) -> list[str]:
    return []


class Questions(OneLineDesk):
    """`whereabouts`: where else a binding's mail goes, None: nowhere. `refresh`: tells the workers, see
    `Workers.refresh`; `known_of`: asks them, see `Workers.known_of`."""

    def __init__(
        self,
        desk: Desk,
        figures: Callable[[], Sums],
        uids: frozenset[int],
        whereabouts: Callable[[str], str | None] = lambda _binding: None,
        refresh: Callable[[str], int] = lambda _domain: 0,
        known_of: Callable[[str], Awaitable[list[str]]] = _nobody,
    ) -> None:
        super().__init__(uids, "refused a reader of the limits socket")
        self._desk = desk
        self._refresh = refresh
        self._known_of = known_of
        self._whereabouts = whereabouts
        self._figures = figures
        self._answers: Mapping[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
            "figures": self._summed,
            "refresh": self._refreshed,
            "known": self._known,
            "count": self._counted,
            "audit": self._audited,
            "binding": self._explained,
        }

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            question = json.loads(line)
            word = next((word for word in self._answers if word in question), "binding")
            return await self._answers[word](question)
        except (ValueError, KeyError, TypeError, AttributeError):
            return {"error": 'ask {"binding": …, "domain": …}'}

    async def _summed(self, _question: dict[str, Any]) -> dict[str, Any]:
        return {**self._figures()}

    async def _refreshed(self, question: dict[str, Any]) -> dict[str, Any]:
        return {"told": self._refresh(str(question["refresh"]))}

    async def _known(self, question: dict[str, Any]) -> dict[str, Any]:
        return {"words": await self._known_of(str(question["known"]))}

    async def _explained(self, question: dict[str, Any]) -> dict[str, Any]:
        host, binding = question.get("host"), str(question["binding"])
        told = self._desk.explain(binding, str(question["domain"]), host and str(host))
        return {**told.plain(), "whereabouts": self._whereabouts(binding)}

    async def _audited(self, question: dict[str, Any]) -> dict[str, Any]:
        return {**(await self._desk.audit.answer(block_of(str(question["audit"]))) or {})}

    async def _counted(self, question: dict[str, Any]) -> dict[str, Any]:
        try:
            steps = blocks.counted(self._desk.tree(str(question["count"])), blocks.asked(str(question["of"])))
        except ValueError as wrong:
            return {"error": str(wrong)}
        rows: list[tuple[str, int]] = []
        found = 0
        for step, row in enumerate(steps):
            if row is not None:
                found += 1
                rows += [(str(row[0]), row[1])] if found <= MOST_ROWS else []
            if step % STEPS == STEPS - 1:
                await asyncio.sleep(0)  # others are served meanwhile
        return {"rows": rows, "more": found - len(rows)}


def ask(path: Path, binding: str, domain: str, host: str | None) -> dict[str, Any]:
    """What the core at `path` answers. Raises `OSError` when none does, `ValueError` for an answer that is none."""
    return oneline.ask(path, {"binding": binding, "domain": domain, "host": host})


def figures(path: Path) -> Sums:
    """The sums of `figures.total`. Raises as `ask`."""
    return oneline.ask(path, {"figures": True})


def refresh(path: Path, domain: str) -> int:
    """Let the workers of the core at `path` ask the DNS again; how many were told. Raises as `ask`."""
    return int(oneline.ask(path, {"refresh": domain}).get("told", 0))


def known_of(path: Path, domain: str) -> list[dict[str, Any]]:
    """What the workers of the core at `path` know of a routing domain. Raises as `ask`."""
    return [json.loads(word) for word in oneline.ask(path, {"known": domain}).get("words", [])]


def count(path: Path, service: str, what: str) -> tuple[list[tuple[str, int]], int]:
    """Open connections of a service by blocks, and how many blocks were left out. Raises as `ask`; `LookupError`: the
    service is not counted there."""
    told = oneline.ask(path, {"count": service, "of": what})
    if "error" in told:
        raise LookupError(str(told["error"]))
    return [(str(block), int(connections)) for block, connections in told["rows"]], int(told["more"])


def audited(path: Path, block: str) -> Answer | None:
    """What clients of a block did lately, as the core at `path` counts it; None: it counts nothing. Raises as `ask`."""
    told = oneline.ask(path, {"audit": block})
    return cast("Answer", told) if "windows" in told else None


def described(told: dict[str, Any]) -> str:
    """An explanation (`Explanation.plain`) for people."""
    queue = f"{told['group']}/{told['binding']} to {told['domain']}" + (f" by {told['host']}" if told["host"] else "")
    lines = [
        f"{queue}: {'may open one more connection' if told['may_open'] else 'NO further connection now'}",
        f"because {told['why']}",
        *([f"but {told['whereabouts']}"] if told.get("whereabouts") else []),
        f"open {told['open']}, waiting {told['waiting']}, active messages {told['active']}, goal {told['goal']}",
        f"  {'LIMIT':<40} {'VALUE':>8} {'COUNT':>6}  COUNTED FOR (set at)",
    ]
    lines += [
        f"{'*' if one['binds'] else ' '} {one['option']:<40} {one['value']:>8} {one['count']:>6}  "
        f"{one['counts']}{', all nodes' if one['scope'] == 'cluster' else ''} ({one['place']})"
        for one in told["standings"]
    ]
    return "\n".join(lines)
