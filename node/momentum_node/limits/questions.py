"""`explain`, and the figures, over a Unix socket of the core: one JSON line in, one JSON line out.

→ {"binding": "b", "domain": "d.test", "host": "mx.d.test" | null}
← {"may_open": …, "why": …, "standings": […], …}   or   {"error": …}
→ {"refresh": "d.test"}   ← {"told": workers}
→ {"known": "d.test"}     ← {"words": ["…" of each worker]}, see `knowledge`
→ {"audit": "192.0.2.0/24"}   ← `audit.words.Answer`, or {}: nothing is counted
"""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, cast

from momentum_node import oneline
from momentum_node.audit.words import Answer, block_of
from momentum_node.limits.desk import Desk
from momentum_node.limits.figures import Sums
from momentum_node.oneline import OneLineDesk

SOCKET: Final = "limits.sock"  # in the node's run folder


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

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            question = json.loads(line)
            if question.get("figures"):
                return self._figures()
            if "refresh" in question:
                return {"told": self._refresh(str(question["refresh"]))}
            if "known" in question:
                return {"words": await self._known_of(str(question["known"]))}
            if "audit" in question:
                return {**(await self._desk.audit.answer(block_of(str(question["audit"]))) or {})}
            host = question.get("host")
            told = self._desk.explain(str(question["binding"]), str(question["domain"]), host and str(host))
        except (ValueError, KeyError, AttributeError):
            return {"error": 'ask {"binding": …, "domain": …}'}
        return {**told.plain(), "whereabouts": self._whereabouts(str(question["binding"]))}


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
