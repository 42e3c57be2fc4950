"""`explain`, and the figures, over a Unix socket of the core: one JSON line in, one JSON line out.

→ {"binding": "b", "domain": "d.test", "host": "mx.d.test" | null}
← {"may_open": …, "why": …, "standings": […], …}   or   {"error": …}
→ {"refresh": "d.test"}   ← {"told": workers}
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from momentum_node.limits.desk import Desk
from momentum_node.limits.figures import Sums
from momentum_node.peer import is_welcome

SOCKET: Final = "limits.sock"  # in the node's run folder
MAX_QUESTION_BYTES: Final = 4096
PATIENCE_S: Final = 5.0


class Questions:
    """Answers whoever runs as one of `uids`. `whereabouts`: where else a binding's mail goes, None: nowhere. `refresh`:
    tells the workers, see `Workers.refresh`."""

    def __init__(
        self,
        desk: Desk,
        figures: Callable[[], Sums],
        uids: frozenset[int],
        whereabouts: Callable[[str], str | None] = lambda _binding: None,
        refresh: Callable[[str], int] = lambda _domain: 0,
    ) -> None:
        self._desk = desk
        self._refresh = refresh
        self._whereabouts = whereabouts
        self._figures = figures
        self._uids = uids
        self._server: asyncio.Server | None = None

    async def listen(self, path: Path) -> None:
        """Answer at `path` (mode 0666: who asks is checked by uid)."""
        path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, path, limit=MAX_QUESTION_BYTES)
        path.chmod(0o666)

    def close(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError, ValueError, TimeoutError):
            sock: socket.socket = writer.get_extra_info("socket")
            if not is_welcome(sock, self._uids, "refused a reader of the limits socket"):
                return
            async with asyncio.timeout(PATIENCE_S):
                line = await reader.readline()
                writer.write(json.dumps(self._answer(line)).encode() + b"\n")
                await writer.drain()

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            question = json.loads(line)
            if question.get("figures"):
                return self._figures()
            if "refresh" in question:
                return {"told": self._refresh(str(question["refresh"]))}
            host = question.get("host")
            told = self._desk.explain(str(question["binding"]), str(question["domain"]), host and str(host))
        except (ValueError, KeyError, AttributeError):
            return {"error": 'ask {"binding": …, "domain": …}'}
        return {**told.plain(), "whereabouts": self._whereabouts(str(question["binding"]))}


def ask(path: Path, binding: str, domain: str, host: str | None) -> dict[str, Any]:
    """What the core at `path` answers. Raises `OSError` when none does, `ValueError` for an answer that is none."""
    return _asked(path, {"binding": binding, "domain": domain, "host": host})


def figures(path: Path) -> Sums:
    """The sums of `figures.total`. Raises as `ask`."""
    return _asked(path, {"figures": True})


def refresh(path: Path, domain: str) -> int:
    """Let the workers of the core at `path` ask the DNS again; how many were told. Raises as `ask`."""
    return int(_asked(path, {"refresh": domain}).get("told", 0))


def _asked(path: Path, question: dict[str, Any]) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(PATIENCE_S)
        sock.connect(str(path))
        sock.sendall(json.dumps(question).encode() + b"\n")
        with sock.makefile("rb") as answer:
            read: dict[str, Any] = json.loads(answer.readline())
            return read


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
