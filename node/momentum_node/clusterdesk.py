"""The commands of `clusterwords.py` over a Unix socket of the core: one JSON line in, one JSON line out.

→ {"words": ["arp", "show"]}
← {"text": "…"}   or   {"error": "why not, and what to do"}
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from momentum_node import oneline
from momentum_node.clock import monotonic
from momentum_node.clusterwords import Answering, CommandRefused, answer
from momentum_node.duravip.driver import Driver
from momentum_node.duravip.link import SupervisorError, SupervisorLink
from momentum_node.duravip.neighbourhood import Neighbourhood
from momentum_node.duravip.sharedarp import Neighbour
from momentum_node.oneline import OneLineDesk

SOCKET: Final = "commands.sock"  # in the node's run folder


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


class ClusterDesk(OneLineDesk):
    """Answers the commands."""

    def __init__(self, node: Answering, uids: frozenset[int], clock: Callable[[], float] = monotonic) -> None:
        super().__init__(uids, "refused a command")
        self._node, self._clock = node, clock

    async def _answer(self, line: bytes) -> dict[str, str]:
        try:
            words = [str(word) for word in json.loads(line)["words"]]
            return {"text": answer(words, self._node, self._clock())}
        except CommandRefused as refused:
            return {"error": str(refused)}
        except (ValueError, KeyError, TypeError):
            return {"error": 'ask {"words": ["arp", "show"]}'}


def ask(path: Path, words: Sequence[str]) -> str:
    """What the core at `path` prints. Raises `CommandRefused`, `OSError` when none answers, `ValueError`."""
    told = oneline.ask(path, {"words": list(words)})
    if "error" in told:
        raise CommandRefused(str(told["error"]))
    return str(told["text"])
