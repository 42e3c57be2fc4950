"""The commands of `clusterwords.py` over a Unix socket of the core: one JSON line in, one JSON line out.

→ {"words": ["arp", "show"]}
← {"text": "…"}   or   {"error": "why not, and what to do"}
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from momentum_node.clock import monotonic
from momentum_node.clusterwords import Answering, CommandRefused, answer
from momentum_node.duravip.driver import Driver
from momentum_node.duravip.link import SupervisorError, SupervisorLink
from momentum_node.duravip.neighbourhood import Neighbourhood
from momentum_node.duravip.sharedarp import Neighbour
from momentum_node.peer import is_welcome

SOCKET: Final = "commands.sock"  # in the node's run folder
MAX_COMMAND_BYTES: Final = 4096
PATIENCE_S: Final = 5.0


class NodeAnswers:
    """The running node, as the commands see it."""

    def __init__(self, driver: Driver, neighbourhood: Neighbourhood, link: SupervisorLink) -> None:
        self._driver, self._neighbourhood, self._link = driver, neighbourhood, link
        self._looking: asyncio.Task[None] | None = None

    def neighbours(self) -> Sequence[Neighbour]:
        """As `Answering.neighbours`."""
        return self._neighbourhood.table.known(monotonic())

    def announce_view(self) -> bool:
        """As `Answering.announce_view`."""
        if self._driver.machine is None:
            return False
        self._driver.tell(lambda machine, now: machine.on_announce_view(now))
        self._looking = asyncio.create_task(self._look())
        return True

    async def _look(self) -> None:
        with contextlib.suppress(SupervisorError):  # it is gone: then the core ends
            await self._link.look()


class ClusterDesk:
    """Answers whoever runs as one of `uids`."""

    def __init__(self, node: Answering, uids: frozenset[int], clock: Callable[[], float] = monotonic) -> None:
        self._node, self._uids, self._clock = node, uids, clock
        self._server: asyncio.Server | None = None

    async def listen(self, path: Path) -> None:
        """Answer at `path` (mode 0666: who asks is checked by uid)."""
        path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, path, limit=MAX_COMMAND_BYTES)
        path.chmod(0o666)

    def close(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError, ValueError, TimeoutError):
            if not is_welcome(writer.get_extra_info("socket"), self._uids, "refused a command"):
                return
            async with asyncio.timeout(PATIENCE_S):
                writer.write(json.dumps(self._answer(await reader.readline())).encode() + b"\n")
                await writer.drain()

    def _answer(self, line: bytes) -> dict[str, str]:
        try:
            words = [str(word) for word in json.loads(line)["words"]]
            return {"text": answer(words, self._node, self._clock())}
        except CommandRefused as refused:
            return {"error": str(refused)}
        except (ValueError, KeyError, TypeError):
            return {"error": 'ask {"words": ["arp", "show"]}'}


def ask(path: Path, words: Sequence[str]) -> str:
    """What the core at `path` prints. Raises `CommandRefused`, `OSError` when none answers, `ValueError`."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(PATIENCE_S)
        sock.connect(str(path))
        sock.sendall(json.dumps({"words": list(words)}).encode() + b"\n")
        with sock.makefile("rb") as lines:
            told = json.loads(lines.readline())
    if "error" in told:
        raise CommandRefused(str(told["error"]))
    return str(told["text"])
