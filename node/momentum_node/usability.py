"""What can be served here, as the machine is told: addresses whose link is up while a mail worker accepts; and which of
them only if nobody else can, because nothing proves that their link leads anywhere (failover R18)."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from momentum_node import log
from momentum_node.clock import monotonic
from momentum_node.config.model import Address, Cluster, Vip
from momentum_node.duravip.actuator import VipPlan
from momentum_node.duravip.carriers import Carriers
from momentum_node.duravip.driver import Driver
from momentum_node.duravip.gateways import ASK_S, Gateways, Way
from momentum_node.duravip.link import SupervisorError, SupervisorLink


class Usability:
    """One per core. `plans`: how each address is plumbed; `changed` is told when a report could say something else."""

    def __init__(
        self,
        link: SupervisorLink,
        driver: Driver,
        are_accepting: Callable[[], bool],
        plans: Callable[[], Mapping[Address, VipPlan]],
        changed: Callable[[], None],
    ) -> None:
        self._link, self._driver = link, driver
        self._are_accepting, self._plans, self._changed = are_accepting, plans, changed
        self.carriers = Carriers(0.0)
        self._gateways = Gateways()
        self._ways: dict[Way, frozenset[Address]] = {}
        self._told: tuple[frozenset[Address], frozenset[Address]] | None = None
        self._judged_by: object = None

    def configure(self, cluster: Cluster, vips: Sequence[Vip]) -> None:
        """A generation is in use from now on."""
        self.carriers.steady_s = float(cluster.if_down_limit)
        ways: dict[Way, set[Address]] = {}
        for vip in vips:
            if vip.topology is not None and vip.topology.probe_gateway is not None:
                way = Way(vip.topology.interface, vip.topology.probe_gateway)
                ways.setdefault(way, set()).add(vip.address)
        self._ways = {way: frozenset(addresses) for way, addresses in ways.items()}
        self._gateways.keep(self._ways)

    def machine_began(self) -> None:
        """A new one has been told nothing."""
        self._told = None

    def look(self) -> None:
        """Ten times a second, so with nothing new it costs nothing, however many addresses there are."""
        facts = self._are_accepting(), self.carriers.useless(monotonic()), self._gateways.unproven()
        if facts != self._judged_by:
            self._judged_by = facts
            self.judge()

    def judge(self) -> None:
        """Tell the machine what is new."""
        is_accepting, useless = self._are_accepting(), self.carriers.useless(monotonic())
        plans = self._plans().items() if is_accepting else ()
        usable = frozenset(address for address, plan in plans if plan.interface not in useless)
        unproven = sorted(self._gateways.unproven())
        unsure = frozenset[Address]().union(*(self._ways.get(way, ()) for way in unproven))
        if self._driver.machine is not None and (usable, unsure) != self._told:
            self._told = usable, unsure
            reason = None if is_accepting else "no mail worker accepts"
            if useless and reason is None:
                reason = ", ".join(f"{why}: {name}" for name, why in useless.items())
            self._driver.tell(lambda machine, now: machine.on_usable(usable, reason, now))
            doubt = ", ".join(map(str, unproven))
            self._driver.tell(lambda machine, now: machine.on_unsure(unsure, doubt, now))
        self._changed()

    def notices(self) -> list[str]:
        """What a report says of it."""
        unproven = sorted(self._gateways.unproven())
        return [f"{way}: addresses are not known to be reached here" for way in unproven]

    async def keep_asking(self) -> None:
        """Ask the gateways, each second. For ever."""
        while True:
            await asyncio.sleep(ASK_S)
            for way in list(self._ways):
                await self._ask(way)
            self.look()

    async def _ask(self, way: Way) -> None:
        try:
            mac = await self._link.probe(way.interface, way.gateway)
        except SupervisorError:  # no such link, or it is down: that is the carrier's to tell
            return
        before = self._gateways.unproven()
        if mac is None:
            self._gateways.missed(way)
        else:
            self._gateways.heard(way, monotonic(), self.carriers.steady_s)
        if before != self._gateways.unproven():
            said = "a gateway is silent" if mac is None else "a gateway answers again"
            log.logger().warning(said, interface=way.interface, address=str(way.gateway))
