"""What surrounds an actuator: a supervisor, mail workers and a machine that are a list of calls."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from ipaddress import ip_address

from momentum_node.config.model import Address
from momentum_node.duravip.actuator import Actuator, VipPlan
from momentum_node.duravip.link import SupervisorError

VIP = ip_address("192.0.2.41")
PLAN = VipPlan("eth0", 32, ((25, 100),))
STRANGER, MEMBER = "02:00:00:00:00:99", "02:00:00:00:00:03"


class Node:
    """Supervisor, mail workers and machine in one: keeps what was asked of each, in order."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.answers: str | None = None  # who answers probes
        self.granted = True
        self.round_trip_takes_s = 0.001
        self.refuses: dict[str, int] = {}
        self.release_takes_s = 0.0
        self.open: list[socket.socket] = []
        self.actuator = Actuator(self, self, {VIP: PLAN}, self, asyncio.get_running_loop().time, check_interval_s=30.0)

    def close(self) -> None:
        for sock in self.open:
            sock.close()

    async def probe(self, interface: str, address: Address) -> str | None:
        await self._do("probe")
        await asyncio.sleep(0.001 if self.answers else 0.04)
        return self.answers

    async def plumb(self, interface: str, address: Address, prefix_length: int) -> None:
        await self._do(f"plumb {interface} {address}/{prefix_length}")

    async def unplumb(self, address: Address) -> None:
        await self._do(f"unplumb {address}")

    async def announce(self, address: Address) -> None:
        await self._do("announce")

    def announce_again(self, addresses: Iterable[Address]) -> None:
        self.log += [f"announce {address} again" for address in addresses]

    async def look(self) -> None:
        await self._do("look")

    async def open_listener(
        self, address: Address | None, port: int, backlog: int, floating: bool = False
    ) -> socket.socket:
        assert floating
        await self._do(f"listen {port}")
        sock = socket.socket()
        self.open.append(sock)
        return sock

    async def close_listener(self, address: Address | None, port: int) -> None:
        await self._do(f"close {port}")

    async def _do(self, what: str) -> None:
        self.log.append(what)
        await asyncio.sleep(0.001)
        verb = what.split(maxsplit=1)[0]
        if verb in self.refuses:
            raise SupervisorError(what, self.refuses[verb])

    # the mail workers

    async def start(self, address: Address, sockets: list[tuple[int, socket.socket]]) -> None:
        self.log.append(f"serve {[port for port, _ in sockets]}")

    async def leave(self, address: Address, grace_s: float) -> None:
        self.log.append(f"leave {grace_s:g}")

    async def stop(self, address: Address, grace_s: float) -> None:
        self.log.append(f"stop {grace_s:g}")
        if grace_s:
            await asyncio.sleep(min(grace_s, self.release_takes_s))
            self.log.append("stopped")

    # the machine

    def is_granted(self, vip: Address) -> bool:
        return self.granted

    async def round_trip(self) -> None:
        await asyncio.sleep(self.round_trip_takes_s)

    def whose(self, mac: bytes) -> str | None:
        return "n3" if mac.hex(":") == MEMBER else None

    def on_plumbed(self, vip: Address, now: float) -> None:
        self.log.append("PLUMBED")

    def on_unplumbed(self, vip: Address, now: float) -> None:
        self.log.append("UNPLUMBED")

    def on_plumb_failed(self, vip: Address, reason: str, now: float) -> None:
        self.log.append(f"FAILED {reason.split(':', maxsplit=1)[0]}")

    def on_plumb_clear(self, vip: Address, now: float) -> None:
        self.log.append("CLEARED")

    def on_witnessed(self, vip: Address, mac: bytes | None, now: float) -> None:
        self.log.append(f"HEARD {mac.hex(':') if mac else 'nobody'}")

    def told(self) -> list[str]:
        """What was done since the last call; probes only once in a row."""
        log, self.log = self.log, []
        return [what for place, what in enumerate(log) if what != "probe" or place == 0 or log[place - 1] != "probe"]


UP = ["listen 25", "plumb eth0 192.0.2.41/32", "announce", "serve [25]", "PLUMBED"]


@asynccontextmanager
async def ordered_node() -> AsyncIterator[Node]:
    """A node that holds nothing; everything of it ends with the test."""
    made = Node()
    yield made
    made.refuses.clear()
    await made.actuator.flush()
    made.close()
