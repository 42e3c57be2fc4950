"""The core process: bus, DuraVIP machine and its actuator, the workers' door, the report. No privileges of its own.

Started by the supervisor, which holds the other end of `MOMENTUM_SUPERVISOR_FD` and removes every address when this
process dies or stalls. Nothing here may block the loop: files are read in a thread.
"""

import asyncio
import contextlib
import os
import secrets
import signal
from collections.abc import Collection, Coroutine
from functools import partial
from ipaddress import IPv4Network, IPv6Network

import uvloop

from momentum_node import clusterdesk, generation, log, nodelist, settings
from momentum_node.bus.contract import Bus, Member
from momentum_node.bus.engine import is_corosync, open_bus
from momentum_node.bus.ringwatch import RingWatch
from momentum_node.clock import monotonic
from momentum_node.config.model import Address, Cluster, NodeConfiguration
from momentum_node.drill import desk
from momentum_node.drill.desk import DrillDesk
from momentum_node.duravip.actuator import Actuator, VipPlan
from momentum_node.duravip.driver import Driver
from momentum_node.duravip.link import SupervisorEvent, SupervisorLink, connect_supervisor, mac_bytes
from momentum_node.duravip.machine import DuraVip
from momentum_node.duravip.neighbourhood import Neighbourhood
from momentum_node.duravip.recorded import RecordedDuraVip, Taps
from momentum_node.duravip.recorder import FlightRecorder
from momentum_node.duravip.surroundings import KernelNeighbours
from momentum_node.duravip.takeovers import Takeovers
from momentum_node.duravip.vip import Definition, Identity, Policy, definitions, policy_of
from momentum_node.errors import BusError, ConfigurationError, DriverError
from momentum_node.garbage import keep_searches_short
from momentum_node.limits.questions import SOCKET, Questions
from momentum_node.limits.rules import LimitRules
from momentum_node.ownership import Ownership
from momentum_node.pace import Pace
from momentum_node.plainlisteners import PlainListeners
from momentum_node.privileges import drop_privileges
from momentum_node.reload import ReloadNews
from momentum_node.reporting import Reporting
from momentum_node.status.board import Board
from momentum_node.usability import Usability
from momentum_node.workers import Workers

BEAT_S = 0.1
WATCH_S = 1.0
DRAIN_QUEUE_S = 60.0  # Drain_Queue_Timeout
HOME_BEFORE_DRAIN_S = 8.0


class Core:
    """The composition root: builds the parts, starts them, hands events between them."""

    def __init__(
        self,
        own: settings.Settings,
        link: SupervisorLink,
        generations: generation.Generations,
        listed: nodelist.NodeList,
    ) -> None:
        self.settings = own
        self.link = link
        self.generations = generations
        self.listed = listed
        self.incarnation = secrets.randbits(64)
        self.node_name = (self._cluster.nodename or own.node_name).partition(".")[0].lower()
        myself = listed.find(self.node_name)
        if myself is None:
            names = ", ".join(node.name for node in listed.nodes)
            raise ConfigurationError(f"{own.nodes}: no node is called {self.node_name!r} (listed: {names})")
        self.myself = myself
        uids = frozenset({os.getuid()})
        mail_uids = uids | {settings.MAIL_UID}
        self.workers = Workers(self.node_name, myself.node_id, mail_uids, self._accepting_changed)
        self._set_limits()
        self.ownership = Ownership(self.node_name, self.workers.tell_owners)
        self._owners = Pace(self._look_at_owners, 0.0, self._declared)
        askers = uids | {settings.SERVICES_UID}
        workers = self.workers
        self.questions = Questions(
            workers.desk, workers.figures, askers, self._whereabouts, workers.refresh, workers.known_of
        )
        self.recorder = FlightRecorder(own.flight, self.node_name)
        self.takeovers = Takeovers()
        self.driver = Driver(self._bus, self._machine, self._changed, self.recorder.note)
        self.actuator = Actuator(
            link,
            self.workers,
            self._plans(),
            self.driver,
            monotonic,
            check_interval_s=self._cluster.if_check_interval_s,
            lease_s=self._cluster.duravip_addr_lifetime_s,
        )
        self.driver.actuator = self.actuator
        self.neighbourhood = self.driver.neighbourhood = Neighbourhood(
            KernelNeighbours(self._networks_on),
            self.driver.multicast,
            link,
            self._network_of,
            self._vips,
            self.incarnation,
            lambda: not self._cluster.arp_all_hosts,
        )
        answers = clusterdesk.NodeAnswers(self.driver, self.neighbourhood, link)
        self.commands = clusterdesk.ClusterDesk(answers, askers)
        self.drills = DrillDesk(myself.name, self.driver, self._ports_of, frozenset({os.getuid()}), self.recorder.note)
        self.plain = PlainListeners(link, self.workers)
        self.news = ReloadNews(generations.running)
        self.ring = RingWatch(myself.node_id, self._changed, own.ring) if is_corosync(own.bus) else None
        self.reporting = Reporting(self)
        self.board = Board(self.reporting.build, uids | {settings.SERVICES_UID}, self._declared)
        self.usability = Usability(link, self.driver, workers.are_accepting, lambda: self.actuator.plans, self._changed)
        self.usability.configure(self._cluster, self.configuration.vips)
        self._macs: dict[str, bytes] = {}  # of every link that is up
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.link.on_event = self._on_supervisor

    # -- life ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until SIGTERM: then hand over, leave, end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
        for notice in self.configuration.notices:
            log.logger().info("notice", text=notice)
        self._spawn(self._beat())
        await self._instruct()
        self.workers.listen(self.settings.worker_socket)
        await self.board.listen(self.settings.status_socket)
        await self.questions.listen(self.settings.run / SOCKET)
        await self.commands.listen(self.settings.run / clusterdesk.SOCKET)
        await self.drills.listen(self.settings.run / desk.SOCKET)
        await self.plain.apply(self.configuration.listeners)
        self._spawn(self._watch())
        if self.ring is not None:
            self._spawn(self.ring.run())
        self._spawn(self.usability.keep_asking())
        self._spawn(self.plain.keep_trying())
        self._spawn(self.neighbourhood.run())
        self._spawn(self.actuator.keep_checking())
        membership = asyncio.create_task(self.driver.run(self._cluster.cluster_group))
        await asyncio.wait({membership, asyncio.create_task(self._stop.wait())}, return_when=asyncio.FIRST_COMPLETED)
        if membership.done():
            membership.result()  # a defect, or a pid that cannot join: die, and the supervisor starts another
        await self.drills.close(HOME_BEFORE_DRAIN_S)
        await self.driver.drain()
        self._owners.now()  # while the table is there: mail goes by it
        await membership
        await self._let_mail_go()
        await self._close()

    async def _let_mail_go(self) -> None:
        """The addresses are handed over; their mail follows them, or stays in the spool when that takes too long."""
        limit = self.generations.running.tree.value("drain_queue_timeout")
        left = await self.workers.moved_all(float(limit) if isinstance(limit, int) else DRAIN_QUEUE_S)
        if left:
            log.logger().warning("mail stays in the spool: its new owner did not take it in time", messages=left)

    async def _close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.workers.close()
        self.board.close()
        self.questions.close()
        self.commands.close()
        self.link.close()
        self.recorder.close()

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _beat(self) -> None:
        """Prove to the supervisor that this loop runs; see whether the workers do."""
        while True:
            self.link.heartbeat()
            self.usability.look()
            await asyncio.sleep(BEAT_S)

    # -- configuration ---------------------------------------------------------------------------

    @property
    def configuration(self) -> NodeConfiguration:
        """The running generation."""
        return self.generations.running.node

    @property
    def _cluster(self) -> Cluster:
        return self.configuration.cluster or Cluster()

    def _declared(self) -> int:
        return len(self.configuration.vips)

    async def _watch(self) -> None:
        """Load a new generation or node list when the files change."""
        while True:
            await asyncio.sleep(WATCH_S)
            if await asyncio.to_thread(self._look):
                await self._apply()
            await self._look_at_node_list()
            self._changed()

    def _look(self) -> bool:
        """Whether there is a new generation. In a thread: reads files."""
        loaded = self.generations.look()
        if loaded is not None:
            self.news.accepted(loaded)
        self.news.seen(self.generations.errors)
        return loaded is not None

    async def _look_at_node_list(self) -> None:
        with contextlib.suppress(ConfigurationError, OSError):  # the old list stays in force; the operator repairs it
            listed = nodelist.parse(await asyncio.to_thread(self.settings.nodes.read_text), str(self.settings.nodes))
            if listed != self.listed:
                self.listed = listed
                await self._apply()

    async def _apply(self) -> None:
        """Put the running generation into force: what is not wanted any more goes before anything new comes."""
        self._set_limits()
        self.workers.reload(self.configuration.digest)  # first: a new socket's options come with it
        await self.plain.apply(self.configuration.listeners)
        self.actuator.configure(self._cluster.if_check_interval_s, self._cluster.duravip_addr_lifetime_s)
        self.usability.configure(self._cluster, self.configuration.vips)
        plans, ports, declared = await asyncio.to_thread(self._prepared)
        self.actuator.set_plans(plans)
        self.workers.close_ports(ports)
        self.driver.tell(lambda machine, now: machine.on_definitions(declared, self._policy(), now))
        await self._instruct()
        self.driver.tell(lambda machine, now: machine.on_hardware(self._hardware(), now))
        self._heed_node_list()
        self.usability.judge()

    def _set_limits(self) -> None:
        running = self.generations.running
        self.workers.desk.configure(LimitRules(running.tree, running.sources.place), running.node.inbound_audit)

    def _prepared(self) -> tuple[dict[Address, VipPlan], dict[str, frozenset[int]], tuple[Definition, ...]]:
        """What `_apply` hands out, for up to 10,000 addresses: in a thread."""
        plans = self._plans()
        ports = {str(address): frozenset(port for port, _ in plan.ports) for address, plan in plans.items()}
        return plans, ports, definitions(self.configuration.vips, self.node_name)

    async def _instruct(self) -> None:
        """What the supervisor does by itself: how long addresses outlive us, and whom it tells of them."""
        await self.link.set_quiet(not self._cluster.arp_all_hosts)
        seconds = self._cluster.duravip_addr_lifetime_s
        await self.link.set_lifetime(None if seconds is None else int(seconds))

    def _plans(self) -> dict[Address, VipPlan]:
        """How each address is plumbed here: interface, mask, lease, and the ports it listens on."""
        cluster, ports = self._cluster, _ports(self.configuration)
        return {
            vip.address: VipPlan(
                interface=vip.topology.interface,
                prefix_length=vip.topology.prefix_length,
                ports=tuple(ports.get(vip.address, ())),
                probe=cluster.duravip_probe,
            )
            for vip in self.configuration.vips
            if vip.topology is not None
        }

    def _ports_of(self, vip: Address) -> list[int]:
        plan = self.actuator.plans.get(vip)
        return sorted({port for port, _ in plan.ports}) if plan else []

    def _network_of(self, address: Address) -> IPv4Network | IPv6Network | None:
        """The longest network of the Topology that it is in (cluster §2.3)."""
        networks = [entry.network for entry in self._cluster.topologies if address in entry.network]
        return max(networks, key=lambda network: network.prefixlen, default=None)

    def _networks_on(self, interface: str) -> list[IPv6Network]:
        entries = [entry for entry in self._cluster.topologies if entry.interface == interface]
        return [entry.network for entry in entries if isinstance(entry.network, IPv6Network)]

    def _vips(self) -> Collection[Address]:
        return self.actuator.plans.keys()

    def _policy(self) -> Policy:
        return policy_of(self._cluster, self.listed.ids, self.node_name)

    def _heed_node_list(self) -> None:
        """Cordon or drain this node, or take that back, as the node list says. A node that stops stays draining."""
        listed = self.listed.find(self.node_name)
        if listed is None or self._stop.is_set():
            return
        self.driver.tell(lambda machine, now: machine.on_cordon(listed.cordoned, now))
        if listed.draining:
            self.driver.tell(lambda machine, now: machine.on_drain(now))
        else:
            self.driver.tell(lambda machine, now: machine.on_undrain(now))

    # -- bus -------------------------------------------------------------------------------------

    def _bus(self) -> Bus:
        return open_bus(self.settings.bus, self.myself.node_id)

    def _machine(self, local: Member) -> DuraVip:
        # A number for each machine, not for each process: after a lost bus it counts its messages from 1 again, and a
        # late one of the machine before must not pass as its own (S3, S4).
        identity = Identity(self.node_name, self.myself.address, secrets.randbits(64), self._hardware())
        declared = definitions(self.configuration.vips, self.node_name)
        self.link.heartbeat()  # with ten thousand addresses each of these takes a good part of a second's patience
        machine = RecordedDuraVip(Taps(self.recorder, self.takeovers), identity, local, declared, self._policy())
        self.link.heartbeat()
        self.usability.machine_began()
        asyncio.get_running_loop().call_soon(self._heed_node_list)
        asyncio.get_running_loop().call_soon(self.usability.judge)
        return machine

    # -- what the supervisor says ----------------------------------------------------------------

    def _accepting_changed(self) -> None:
        self.usability.judge()

    def _on_supervisor(self, event: SupervisorEvent) -> None:
        log.logger().info("supervisor", said=event.kind, interface=event.interface, address=str(event.address or ""))
        self.recorder.note(f"the supervisor says {event.kind} {event.interface} {event.address or ''} {event.detail}")
        self.actuator.on_event(event)
        match event.kind:
            case "isolated":
                self.driver.isolate(event.detail)
            case "gone":
                # Nobody renews or removes our addresses now, so nothing that we could still say of them would be true.
                log.logger().critical("the supervisor is gone: the core ends")
                os._exit(1)
            case "link-down":
                self.usability.carriers.lost(event.interface)
            case "restored" | "conflict" if event.address is not None:
                self.neighbourhood.announce((event.address,))
            case "link-up":
                self.neighbourhood.announce()
                self.usability.carriers.came(event.interface, monotonic())
                self._macs[event.interface] = mac_bytes(event.mac or "")
                self.driver.tell(lambda machine, now: machine.on_hardware(self._hardware(), now))
        self.usability.judge()

    def _hardware(self) -> tuple[bytes, ...]:
        """Hardware addresses of the interfaces on which addresses are plumbed here."""
        interfaces = {plan.interface for plan in self.actuator.plans.values()}
        return tuple(sorted({mac for name in interfaces if (mac := self._macs.get(name))}))

    def _changed(self) -> None:
        self._owners.changed()
        self.board.changed()

    def _look_at_owners(self) -> None:
        if self.driver.machine is not None or not self._stop.is_set():  # who leaves keeps the last view it had
            self.ownership.look(self.driver.machine)

    def _whereabouts(self, binding: str) -> str | None:
        return self.ownership.whereabouts(binding, self.configuration.bindings)


def _ports(configuration: NodeConfiguration) -> dict[Address, list[tuple[int, int]]]:
    """(port, backlog) of every enabled listener, by its address."""
    found: dict[Address, list[tuple[int, int]]] = {}
    for listener in configuration.listeners:
        if listener.address is not None and listener.enabled:
            found.setdefault(listener.address, []).append((listener.port, listener.backlog))
    return found


def run() -> int:
    """The process `momentum-node core`: exit code 0 after a graceful stop, 1 when it cannot start."""
    log.configure("core")
    drop_privileges()
    own = settings.from_environment(os.environ)
    keep_searches_short()
    try:
        uvloop.run(_run(own))
    except (BusError, ConfigurationError, DriverError) as error:
        log.logger().error("the core cannot run", error=str(error))
        return 1
    return 0


async def _run(own: settings.Settings) -> None:
    link = await connect_supervisor(int(os.environ["MOMENTUM_SUPERVISOR_FD"]))
    listed = nodelist.parse(await asyncio.to_thread(own.nodes.read_text), str(own.nodes))
    loaded = await asyncio.to_thread(partial(generation.first, own))
    await Core(own, link, generation.Generations(own, loaded), listed).run()
