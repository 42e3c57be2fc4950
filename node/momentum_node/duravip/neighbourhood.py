"""Keeps the shared ARP table, and tells the neighbours in it of addresses that came here. Decides nothing.

kernel's neighbours ──▶ ARP, ND on the bus ──▶ SharedArp ──▶ Telling ──▶ supervisor: a reply to each, one by one
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterable
from typing import Protocol

from momentum_node.clock import monotonic
from momentum_node.config.model import Address
from momentum_node.duravip.catalogue import MessageError
from momentum_node.duravip.sharedarp import (
    EVERY_S,
    QUIET_ROUNDS_S,
    Neighbour,
    Network,
    SharedArp,
    Telling,
    audience,
    decode,
    encode,
)
from momentum_node.duravip.surroundings import Surroundings
from momentum_node.errors import BusError, DriverError
from momentum_node.log import logger

STEP_S = 0.02
SOON_S = 1.0
"""Between two exchanges, however many views there are."""


class Teller(Protocol):
    """The supervisor's link, as far as it is needed here."""

    def tell_neighbour(self, address: Address, mac: bytes) -> None:
        """Send one directed announcement, if the address is held."""
        ...


class Neighbourhood:
    """One object for the life of the core. `network_of`: the network that an address is in here, None when none.

    `is_quiet`: nobody is told by broadcast, so those that are told here are told as often (`arp_all_hosts = false`).
    """

    def __init__(
        self,
        read: Callable[[], Surroundings],
        send: Callable[[bytes], None],
        teller: Teller,
        network_of: Callable[[Address], Network | None],
        vips: Callable[[], Collection[Address]],
        incarnation: int,
        is_quiet: Callable[[], bool] = lambda: False,
    ) -> None:
        self._read, self._send, self._teller = read, send, teller
        self._network_of, self._vips = network_of, vips
        self._incarnation, self._is_quiet = incarnation, is_quiet
        self._telling = Telling()
        self._held: set[Address] = set()
        self._gateways: frozenset[Address] = frozenset()
        self._come: set[Address] = set()  # and nobody was told yet
        self._here: set[Address] = set()  # those for whom it is being found out whom to tell
        self._work = asyncio.Event()
        self._is_due = True
        self.table = SharedArp()

    async def run(self) -> None:
        """For ever."""
        last = float("-inf")
        while True:
            self._work.clear()  # first: what comes from here on is not slept over
            if monotonic() >= last + self._pause_s:
                self._is_due, last = False, monotonic()
                await self._exchange()
            await self._begin_telling()
            for vip, neighbour in self._telling.due(monotonic()):
                self._teller.tell_neighbour(vip, neighbour.mac)
            due, now = self._telling.next_due(), monotonic()
            if due is not None and due <= now:
                await asyncio.sleep(STEP_S)
                continue
            next_s = min(last + self._pause_s, due if due is not None else float("inf"))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, next_s - now)):
                    await self._work.wait()

    @property
    def _pause_s(self) -> float:
        return SOON_S if self._is_due else EVERY_S

    def view_changed(self) -> None:
        """Newcomers know nobody."""
        self._is_due = True
        self._work.set()

    def take(self, data: bytes) -> bool:
        """A member's entries. False: they are not understood, and nothing follows."""
        try:
            self.table.merge(decode(data, monotonic()), monotonic())
        except MessageError:
            return False
        return True

    def came(self, vip: Address) -> None:
        """It is plumbed here."""
        self._held.add(vip)
        self._come.add(vip)
        self._work.set()

    def gone(self, vip: Address) -> None:
        """It is not."""
        self._held.discard(vip)
        self._come.discard(vip)
        self._here.discard(vip)
        self._telling.stop(vip)

    def announce(self, vips: Iterable[Address] | None = None) -> None:
        """Tell again where these are, or all: the membership changed, a carrier is back. Broadcasts do it otherwise."""
        if self._is_quiet():
            self._come |= self._held if vips is None else self._held.intersection(vips)
            self._work.set()

    async def _begin_telling(self) -> None:
        """For all that came since the last time at once: they share their networks, and so their audiences.

        In a thread: with ten thousand addresses it takes longer than this loop may stand still.
        """
        if not self._come:
            return
        here, self._here, self._come = self._come, self._come, set()
        now, vips = monotonic(), tuple(self._vips())
        found = await asyncio.to_thread(self._audiences, tuple(here), vips, self.table.known(now))
        for vip, told in found:
            if vip in self._here:
                self._telling.begin(vip, told, now, QUIET_ROUNDS_S if self._is_quiet() else (0.0,))
        self._here = set()

    def _audiences(
        self, come: Iterable[Address], vips: Iterable[Address], neighbours: list[Neighbour]
    ) -> list[tuple[Address, tuple[Neighbour, ...]]]:
        floating = frozenset(vips)
        by_network: dict[Network, tuple[Neighbour, ...]] = {}
        found = []
        for vip in come:
            network = self._network_of(vip)
            if network is not None:
                if network not in by_network:
                    by_network[network] = audience(neighbours, network, floating, self._gateways)
                found.append((vip, by_network[network]))
        return found

    async def _exchange(self) -> None:
        try:
            own, self._gateways = await asyncio.to_thread(self._read)
        except (DriverError, OSError) as error:
            logger().warning("the kernel's neighbours cannot be read", error=str(error))
            return
        own = [one for one in own if one.link or self._network_of(one.address)]  # not of pods, nor of other networks
        self.table.merge(own, monotonic())
        with contextlib.suppress(BusError):  # no member now, or too much on its way: in a minute again
            for message in encode(own, self._incarnation, monotonic()):
                self._send(message)
