"""What a worker tells the core of its clients: each event once, also of the time in which there was no core."""

import asyncio
from ipaddress import ip_address, ip_network

import pytest

from momentum_node.audit.desk import AuditDesk
from momentum_node.audit.tally import CLIENTS_PER_FRAME, MOST_WAITING, PAUSE_S, ClientTally
from momentum_node.audit.windows import Audited
from momentum_node.audit.words import Answer, Window, block_of, described
from momentum_node.clock import monotonic
from momentum_node.config.model import InboundAudit, Monitor
from momentum_node.logs.events import Received, Rejected
from momentum_node.logs.sink import Hub

A, SIX = ip_address("192.0.2.7"), ip_address("2001:db8::7")


def received(peer: str) -> Received:
    return Received(0.0, "id", "id", "c", "a@x", "b@y", "y", 1, "esmtp", "default", "default", "", (), peer)


def rejected(peer: str) -> Rejected:
    return Rejected(0.0, peer, "192.0.2.1:25", "c", "connect", 550, "550 5.7.1 relaying denied")


class Telling:
    """A worker's tally, and the frames that it sent."""

    def __init__(self) -> None:
        self.frames: list[Audited] = []
        self.hub = Hub()
        self.tally = ClientTally(self.frames.append, self.hub)

    async def told(self) -> list[Audited]:
        """All frames, as soon as there are any."""
        async with asyncio.timeout(20):
            while not self.frames:
                await asyncio.sleep(0.01)
        return self.frames


@pytest.mark.parametrize("is_wanted", [False, True])
def test_no_event_is_made_where_nobody_counts(is_wanted: bool) -> None:
    telling = Telling()
    telling.tally.configure(is_wanted)
    assert telling.hub.wants(Received) is is_wanted
    assert telling.hub.wants(Rejected) is is_wanted
    telling.tally.configure(is_wanted=False)
    assert not telling.hub.wants(Received)
    telling.tally.came(A)  # outside a loop this would fail if it were told


async def test_what_clients_do_is_told_in_one_frame() -> None:
    telling = Telling()
    telling.tally.configure(is_wanted=True)
    telling.tally.core_is_back()
    before = monotonic()
    telling.tally.came(A)
    telling.tally.came(SIX)
    for event in (received(str(A)), received(str(A)), received(""), rejected(f"{A}:1234"), rejected(f"{SIX}:1234")):
        telling.hub.emit(event)
    (frame,) = await telling.told()
    assert frame.clients == ((str(A), 1, 2, 1), (str(SIX), 1, 0, 1))
    assert before <= frame.at <= monotonic()


async def test_what_happened_without_a_core_is_told_to_the_next_one() -> None:
    telling = Telling()
    telling.tally.configure(is_wanted=True)
    telling.tally.core_is_back()
    telling.tally.core_lost()
    for number in range(MOST_WAITING + 5):
        telling.tally.came(ip_address(number))
    await asyncio.sleep(2 * PAUSE_S)
    assert telling.frames == []
    telling.tally.core_is_back()
    assert [len(frame.clients) for frame in telling.frames] == [CLIENTS_PER_FRAME] * (MOST_WAITING // CLIENTS_PER_FRAME)
    telling.frames.clear()
    telling.tally.came(A)
    assert [frame.clients for frame in await telling.told()] == [((str(A), 1, 0, 0),)]


async def test_the_core_adds_up_what_workers_tell_and_forgets_it_after_the_last_window() -> None:
    desk = AuditDesk()
    everybody = ip_network("0.0.0.0/0")
    assert await desk.answer(everybody) is None
    desk.configure(InboundAudit((Monitor(2_000_000, 1),), maintenance_interval_s=1000.0))
    for _worker in range(2):
        desk.hear(Audited(monotonic(), (("192.0.2.7", 1, 2, 0), ("2001:db8::7", 1, 0, 1))))
    answer = await desk.answer(everybody)
    assert answer is not None
    assert (answer["block"], answer["dropped"], len(answer["windows"])) == ("0.0.0.0/0", 0, 2)
    assert sum(one["connections"] for one in answer["windows"]) == 2
    assert sum(one["receptions"] for one in answer["windows"]) == 4
    assert sum(one["rejections"] for one in answer["windows"]) == 0
    desk.configure(None)
    assert await desk.answer(everybody) is None


async def test_a_clean_up_comes_with_what_workers_tell_after_each_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("momentum_node.audit.desk.monotonic", lambda: now[0])
    monkeypatch.setattr("momentum_node.audit.desk.wall", lambda: now[0])
    desk = AuditDesk()
    desk.configure(InboundAudit((Monitor(10, 1),), maintenance_interval_s=300.0))

    def tell(client: str, after_s: float) -> int:
        now[0] += after_s
        desk.hear(Audited(now[0], ((client, 1, 0, 0),)))
        return desk.addresses

    assert [tell("192.0.2.1", 0), tell("192.0.2.2", 100), tell("192.0.2.3", 150)] == [1, 2, 3]
    assert [tell("192.0.2.4", 50), tell("192.0.2.5", 299), tell("192.0.2.6", 1)] == [1, 2, 2]


def test_counts_are_printed_as_the_console_prints_them() -> None:
    windows = [
        Window(window_s=length, window=window, connections=window + 3, receptions=2, rejections=0)
        for length, most in ((300, 1), (1800, 1))
        for window in range(most + 1)
    ]
    assert described(Answer(block="192.0.2.7/32", dropped=0, windows=windows)).splitlines() == [
        "Connections 300/0: 3",
        "Connections 300/1: 4",
        "Receptions 300/0: 2",
        "Receptions 300/1: 2",
        "Rejections 300/0: 0",
        "Rejections 300/1: 0",
        "Connections 1800/0: 3",
        "Connections 1800/1: 4",
        "Receptions 1800/0: 2",
        "Receptions 1800/1: 2",
        "Rejections 1800/0: 0",
        "Rejections 1800/1: 0",
    ]


@pytest.mark.parametrize(
    ("text", "block"),
    [
        ("192.0.2.7", "192.0.2.7/32"),
        ("192.0.2.7/24", "192.0.2.0/24"),
        ("192.0.2.7/255.255.255.0", "192.0.2.0/24"),
        ("2001:db8::7", "2001:db8::7/128"),
        ("[2001:db8::7]/64", "2001:db8::/64"),
        ("[2001:db8::7]", "2001:db8::7/128"),
    ],
)
def test_an_address_or_a_block(text: str, block: str) -> None:
    assert str(block_of(text)) == block


@pytest.mark.parametrize("text", ["", "mx.test", "192.0.2.7/33", "192.0.2.7/", "192.0.2"])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"'{text}' is no address and no block: write 192.0.2.7,"):
        block_of(text)
