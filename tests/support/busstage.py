"""One way to talk to all engines, so that one suite tests them: parties on a stage.

A party is a member: a process of its own for real engines, an endpoint for the network in memory.
"""

import abc
import asyncio
import contextlib
import itertools
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from momentum_node.bus.contract import BusEvent, Delivered, Lost, Member, ViewChanged
from momentum_node.errors import BusError
from tests.support.busmember import LINE_LIMIT
from tests.support.corosync import Corosync
from tests.support.network import Endpoint, Network

ROOT = Path(__file__).parents[2]
BYSTANDER = 3
"""The node that no test puts a member of its group on, unless it says so."""


class Party(abc.ABC):
    """A member and what it has seen, with the time it saw it."""

    local: Member

    def __init__(self) -> None:
        self.seen: list[tuple[float, BusEvent]] = []

    @property
    def views(self) -> list[ViewChanged]:
        return [event for _, event in self.seen if isinstance(event, ViewChanged)]

    @property
    def messages(self) -> list[tuple[Member, bytes]]:
        return [(event.sender, event.data) for _, event in self.seen if isinstance(event, Delivered)]

    @property
    def is_lost(self) -> bool:
        return any(isinstance(event, Lost) for _, event in self.seen)

    def sees(self, *others: "Party") -> bool:
        """Whether the last view has exactly these members."""
        return bool(self.views) and self.views[-1].members == tuple(sorted(party.local for party in others))

    @abc.abstractmethod
    async def send(self, data: bytes) -> None: ...

    @abc.abstractmethod
    async def flood(self, count: int) -> None:
        """Send "0", "1" … `count` - 1 without waiting in between. Raises what the bus raises."""

    @abc.abstractmethod
    async def leave(self) -> None: ...

    @abc.abstractmethod
    async def crash(self) -> None:
        """Die without a word."""


class Stage(abc.ABC):
    """An engine for nodes 1, 2 and the bystander, up and running."""

    @abc.abstractmethod
    async def enter(self, node_id: int, group: str) -> Party:
        """A new member on a node."""

    @abc.abstractmethod
    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Let things happen until `condition` holds. Fails the test when it does not come true."""

    @abc.abstractmethod
    async def kill_engine(self, node_id: int) -> None: ...

    @abc.abstractmethod
    async def freeze(self) -> None:
        """Let node 1's engine order nothing for a while."""

    @abc.abstractmethod
    async def thaw(self) -> None: ...

    async def lose_bystander(self) -> None:
        """The bystander's node goes from the ring."""
        await self.kill_engine(BYSTANDER)

    async def close(self) -> None:
        """End what the stage started."""
        return


# -- in memory


class EndpointParty(Party):
    def __init__(self, network: Network, endpoint: Endpoint) -> None:
        super().__init__()
        self._network = network
        self.endpoint = endpoint
        self.local = endpoint.local

    def on_event(self, event: BusEvent) -> None:
        self.seen.append((self._network.now, event))

    async def send(self, data: bytes) -> None:
        self.endpoint.send(data)

    async def flood(self, count: int) -> None:
        for serial in range(count):
            self.endpoint.send(b"%d" % serial)

    async def leave(self) -> None:
        self.endpoint.leave()

    async def crash(self) -> None:
        self._network.crash(self.local)


class MemoryStage(Stage):
    def __init__(self, seed: int) -> None:
        self.network = Network(seed, nodes=(1, 2, BYSTANDER))
        self._pids = itertools.count(100)

    async def enter(self, node_id: int, group: str) -> Party:
        party = EndpointParty(self.network, self.network.attach(node_id, next(self._pids)))
        party.endpoint.connect(group, party.on_event)
        return party

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        while not condition():
            assert self.network.step(), "nothing happens any more"

    async def kill_engine(self, node_id: int) -> None:
        self.network.kill_engine(node_id)

    async def freeze(self) -> None:
        self.network.crash_node(BYSTANDER)  # a ring that lost a node orders nothing until the next one forms

    async def thaw(self) -> None:
        return


# -- processes


class ProcessParty(Party):
    """A member in a process of its own (`busmember.py`)."""

    def __init__(self, process: asyncio.subprocess.Process, news: asyncio.Event) -> None:
        super().__init__()
        self._process = process
        self._news = news
        self._replies: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, prefix: Sequence[str], spec: str, node_id: int, news: asyncio.Event) -> "ProcessParty":
        command = (*prefix, sys.executable, "-m", "tests.support.busmember", spec, str(node_id))
        pipe = asyncio.subprocess.PIPE
        return cls(
            await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, cwd=ROOT, limit=LINE_LIMIT), news
        )

    async def do(self, command: str, **arguments: Any) -> dict[str, Any]:
        """One command. Raises `BusError` with the text of what the bus raised."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": command, **arguments}).encode() + b"\n")
        reply = await asyncio.wait_for(self._replies.get(), 15)
        if reply["reply"] is not None:
            raise BusError(reply["reply"])
        return reply

    async def connect(self, group: str) -> None:
        self.local = Member(*(await self.do("connect", group=group))["local"])

    async def send(self, data: bytes) -> None:
        await self.do("send", data=data.hex())

    async def flood(self, count: int) -> None:
        await self.do("flood", count=count)

    async def leave(self) -> None:
        await self.do("leave")

    async def crash(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._reader

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            said = json.loads(line)
            if "reply" in said:
                self._replies.put_nowait(said)
            else:
                self.seen.append((said["at"], _event(said)))
            self._news.set()


def _event(said: dict[str, Any]) -> BusEvent:
    def members(key: str) -> list[Member]:
        return [Member(*pair) for pair in said[key]]

    match said["event"]:
        case "view":
            joined, left = frozenset(members("joined")), frozenset(members("left"))
            return ViewChanged(tuple(members("members")), joined, left, frozenset(said["reachable"]))
        case "message":
            return Delivered(Member(*said["sender"]), bytes.fromhex(said["data"]))
    return Lost(said["reason"])


class ProcessStage(Stage):
    """Members are processes; what happens, happens by itself."""

    def __init__(self) -> None:
        self.parties: list[ProcessParty] = []
        self._news = asyncio.Event()

    def prefix(self, node_id: int) -> Sequence[str]:
        """What to put before a command so that it runs on a node."""
        return ()

    @abc.abstractmethod
    def spec(self) -> str:
        """MOMENTUM_BUS."""

    async def start(self, node_id: int, bus_node_id: int | None = None) -> ProcessParty:
        """A process on a node, not yet connected."""
        party = await ProcessParty.start(self.prefix(node_id), self.spec(), bus_node_id or node_id, self._news)
        self.parties.append(party)
        return party

    async def enter(self, node_id: int, group: str) -> Party:
        party = await self.start(node_id)
        await party.connect(group)
        return party

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def close(self) -> None:
        for party in self.parties:
            await party.crash()


class EmbeddedStage(ProcessStage):
    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._path = directory / "bus"
        self._bystander: ProcessParty | None = None

    def spec(self) -> str:
        return f"embedded:{self._path}"

    async def prepare(self) -> None:
        """The bystander's node is in the ring through a member of another group."""
        self._bystander = await self.start(BYSTANDER)
        await self._bystander.connect("bystanders")

    async def lose_bystander(self) -> None:
        assert self._bystander is not None
        await self._bystander.crash()

    async def kill_engine(self, node_id: int) -> None:
        self._signal(signal.SIGKILL)

    async def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    async def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, what: signal.Signals) -> None:
        pid = int(self._path.with_name("bus.lock").read_text().split()[1])
        os.kill(pid, what)


class CorosyncStage(ProcessStage):
    """Real daemons, one in each network namespace; they outlive a stage and are started again after it."""

    def __init__(self, daemons: dict[int, Corosync], namespaces: dict[int, str]) -> None:
        super().__init__()
        self.daemons = daemons
        self._namespaces = namespaces
        self._repairs: list[Callable[[], None]] = []

    def spec(self) -> str:
        return "cpg:"

    def prefix(self, node_id: int) -> Sequence[str]:
        return ("nsenter", f"--net=/run/netns/{self._namespaces[node_id]}")

    async def kill_engine(self, node_id: int) -> None:
        self.daemons[node_id].kill()
        self._repairs.append(self.daemons[node_id].start)

    async def freeze(self) -> None:
        self.daemons[1].freeze()
        self._repairs.append(partial(self.daemons[1].resume))

    async def thaw(self) -> None:
        self.daemons[1].resume()

    async def close(self) -> None:
        await super().close()
        for repair in self._repairs:
            repair()
