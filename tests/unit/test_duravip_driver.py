"""The driver: what it does with a bus that goes, a machine that fails, and an end that was asked for."""

import asyncio
from collections.abc import Callable
from ipaddress import ip_address

import pytest
from structlog.testing import capture_logs

from momentum_node.bus.contract import BusEvent, Delivered, IdentityTaken, Lost, Member, ViewChanged
from momentum_node.duravip import driver as module
from momentum_node.duravip.driver import Driver
from momentum_node.duravip.machine import DuraVip
from momentum_node.duravip.roundtrips import is_echo
from momentum_node.duravip.vip import Definition, Identity, Policy

ME = Member(1, 10)
ALONE = ViewChanged((ME,), frozenset({ME}), frozenset(), frozenset({1}))
VIP = ip_address("198.18.0.41")


class LoopbackBus:
    """A bus with one member: what it sends comes back."""

    def __init__(self) -> None:
        self.local = ME
        self.has_left = False
        self._on_event: Callable[[BusEvent], None] = lambda _event: None

    async def connect(self, group: str, on_event: Callable[[BusEvent], None]) -> None:
        self._on_event = on_event
        on_event(ALONE)

    def send(self, data: bytes) -> None:
        asyncio.get_running_loop().call_soon(self._deliver, data)

    def _deliver(self, data: bytes) -> None:
        self._on_event(Delivered(ME, data))

    def vanish(self) -> None:
        self._on_event(Lost("the daemon died"))

    async def leave(self) -> None:
        self.has_left = True

    def abort(self) -> None:
        self._on_event = lambda _event: None


class RecordingActuator:
    """Carries out everything at once, and remembers it."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self.done: list[str] = []

    def perform(self, effect: object) -> None:
        self.done.append(type(effect).__name__)
        if type(effect).__name__ == "Plumb":
            asyncio.get_running_loop().call_soon(self._driver.on_plumbed, VIP, 0.0)
        if type(effect).__name__ == "Unplumb":
            asyncio.get_running_loop().call_soon(self._driver.on_unplumbed, VIP, 0.0)

    async def flush(self) -> None:
        self.done.append("flush")


class Stage:
    """A driver between a loopback bus and a recording actuator."""

    def __init__(self, machine: type[DuraVip] = DuraVip, bus: type[LoopbackBus] = LoopbackBus) -> None:
        self.bus = bus
        self.buses: list[LoopbackBus] = []
        definition = Definition(VIP, frozenset({"esmtp"}), (), claim=False)
        policy = Policy(view_mature_time_s=0.05, failback_delay_s=0.0)

        def make(local: Member) -> DuraVip:
            return machine(Identity("n1", "198.18.0.1", 7), local, (definition,), policy)

        self.driver = Driver(self._open, make, lambda: None)
        self.actuator = RecordingActuator(self.driver)
        self.driver.actuator = self.actuator  # type: ignore[assignment]
        self.running = asyncio.create_task(self.driver.run("ec_cluster"))

    def _open(self) -> LoopbackBus:
        self.buses.append(self.bus())
        return self.buses[-1]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.005)


@pytest.fixture(autouse=True)
def _quick_reconnect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECONNECT_S", 0.01)


async def test_a_node_alone_plumbs_after_it_is_mature_and_leaves_when_drained() -> None:
    stage = Stage()
    await stage.until(lambda: "Plumb" in stage.actuator.done)
    await stage.driver.drain()
    await asyncio.wait_for(stage.running, 2)
    assert stage.actuator.done.index("Plumb") < stage.actuator.done.index("Unplumb")
    assert stage.buses[-1].has_left


async def test_a_lost_bus_flushes_every_address_before_it_joins_again() -> None:
    stage = Stage()
    await stage.until(lambda: "Plumb" in stage.actuator.done)
    stage.buses[0].vanish()
    await stage.until(lambda: len(stage.buses) == 2)
    assert "flush" in stage.actuator.done
    await stage.driver.drain()
    await stage.running


async def test_a_defect_in_the_machine_ends_the_process_instead_of_being_ignored() -> None:
    class Defective(DuraVip):
        def on_message(self, sender: Member, data: bytes, now: float) -> None:
            raise ZeroDivisionError

    stage = Stage(Defective)
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(stage.running, 5)


async def test_a_machine_that_wants_to_start_anew_is_flushed_and_joins_again() -> None:
    """SUSPECT of ourselves, or nothing of ours comes back from the bus."""

    class Suspected(DuraVip):
        def on_plumbed(self, vips: object, now: float) -> None:
            self._isolate("the others suspect us")

    stage = Stage(Suspected)
    await stage.until(lambda: len(stage.buses) >= 2)
    assert stage.actuator.done.index("Plumb") < stage.actuator.done.index("flush")
    stage.running.cancel()


class HauntedBus(LoopbackBus):
    """An engine that takes us for a member already."""

    async def connect(self, group: str, on_event: Callable[[BusEvent], None]) -> None:
        raise IdentityTaken("cpg_join failed with CS_ERR_EXIST")


async def test_a_pid_that_the_bus_never_lets_go_of_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process, with another pid, can join: an endless loop would leave its addresses without an owner."""
    monkeypatch.setattr(module, "TAKEN_LIMIT_S", 0.05)
    stage = Stage(bus=HauntedBus)
    with pytest.raises(IdentityTaken):
        await asyncio.wait_for(stage.running, 5)
    assert len(stage.buses) > 1, "an earlier connection may need a moment to end"


async def test_a_pid_that_the_bus_let_go_of_joins_again() -> None:
    stage = Stage(bus=HauntedBus)
    await stage.until(lambda: len(stage.buses) == 2)
    stage.bus = LoopbackBus
    await stage.until(lambda: "Plumb" in stage.actuator.done)
    await stage.driver.drain()
    await stage.running


async def test_what_the_machine_cannot_take_is_logged_once_and_counted() -> None:
    stage = Stage()
    await stage.until(lambda: "Plumb" in stage.actuator.done)
    with capture_logs() as lines:
        for _ in range(50):
            stage.buses[0]._on_event(Delivered(ME, b"\xc1"))
    (line,) = [line for line in lines if line["event"] == "messages of the bus were ignored"]
    assert (line["MessageError"], stage.driver.ignored) == (1, 50)
    stage.running.cancel()


class SlowBus(LoopbackBus):
    """An engine that takes its time to let us join."""

    def __init__(self) -> None:
        super().__init__()
        self.may_join = asyncio.Event()
        self.is_member = False

    async def connect(self, group: str, on_event: Callable[[BusEvent], None]) -> None:
        await self.may_join.wait()
        self.is_member = True
        self._on_event = on_event

    def abort(self) -> None:
        super().abort()
        self.is_member = False


async def test_who_is_told_to_give_up_while_it_joins_is_no_member_afterwards() -> None:
    """Else the engine has a member with our pid that nobody ever leaves for, and none with that pid can join again."""
    stage = Stage(bus=SlowBus)
    await stage.until(lambda: len(stage.buses) == 1)
    slow = stage.buses[0]
    assert isinstance(slow, SlowBus)
    stage.driver.isolate("the supervisor was stopped for long")
    stage.bus = LoopbackBus
    slow.may_join.set()
    await stage.until(lambda: "Plumb" in stage.actuator.done)
    assert not slow.is_member
    await stage.driver.drain()
    await stage.running


async def test_a_word_of_its_own_comes_back_and_is_no_matter_of_the_machine() -> None:
    stage = Stage()
    await stage.until(lambda: "Plumb" in stage.actuator.done)
    await asyncio.wait_for(asyncio.gather(*(stage.driver.round_trip() for _ in range(100))), 5)
    assert stage.driver.ignored == 0
    await stage.driver.drain()
    await stage.running


async def test_the_word_of_another_is_not_taken_for_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    await stage.until(lambda: "Plumb" in stage.actuator.done)
    said: list[bytes] = []
    monkeypatch.setattr(stage.buses[0], "send", said.append)  # the ring stands still
    trip = asyncio.ensure_future(stage.driver.round_trip())
    await asyncio.sleep(0.01)
    (word,) = filter(is_echo, said)
    stage.buses[0]._on_event(Delivered(Member(2, 7), word))
    await asyncio.sleep(0.01)
    assert not trip.done()
    stage.buses[0]._on_event(Delivered(ME, word))
    await asyncio.wait_for(trip, 5)
    stage.running.cancel()
