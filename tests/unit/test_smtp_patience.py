"""How long a client may take: silence, half a command a minute, a command that never ends. Virtual time."""

import asyncio
from ipaddress import ip_address
from typing import Any, cast

import pytest

from momentum_node.config.model import InboundOptions, Rate
from momentum_node.logs.sink import Hub
from momentum_node.smtp.events import Client
from momentum_node.smtp.inbound import Inbound
from momentum_node.smtp.reception import Reception
from momentum_node.spool.telling import Teller

pytestmark = [pytest.mark.looptime, pytest.mark.asyncio]

OPTIONS = InboundOptions(open_relay=True)


class Lobby:
    """Reception and admission, as far as a client without a message needs them: everybody comes in."""

    generation = 1

    def __init__(self, options: InboundOptions) -> None:
        self.sessions: set[Inbound] = set()
        self.admission = self
        self.teller = Teller(Hub())
        self._client = Client(ip_address("192.0.2.77"), options, "mx.test", "momentum")

    def is_proxy(self, _peer: Inbound) -> bool:
        return False

    def admit(self, _peer: Inbound) -> Client:
        return self._client

    async def turn(self, _rate: Rate) -> bool:
        await asyncio.sleep(5)
        return True

    def ended(self, _peer: Inbound) -> None: ...


class Wire:
    """What the session writes to."""

    def __init__(self) -> None:
        self.said = b""
        self.is_read = True
        self.closed_at: float | None = None

    def get_extra_info(self, name: str) -> object:
        return {"peername": ("192.0.2.77", 7), "sockname": ("192.0.2.1", 25), "socket": self}.get(name)

    def fileno(self) -> int:
        return 0

    def write(self, data: bytes) -> None:
        self.said += data

    def close(self) -> None:
        self.closed_at = self.closed_at or asyncio.get_running_loop().time()

    abort = close

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True

    def is_closing(self) -> bool:
        return self.closed_at is not None


class Slow:
    """A client that takes its time, from 0 on."""

    def __init__(self, options: InboundOptions = OPTIONS) -> None:
        self.wire = Wire()
        self._start = asyncio.get_running_loop().time()
        self._inbound = Inbound(cast("Reception", Lobby(options)), ("", 25))
        self._inbound.connection_made(cast("Any", self.wire))

    def says(self, data: bytes) -> None:
        self._inbound.data_received(data)

    async def at(self, seconds: float) -> None:
        await asyncio.sleep(self._start + seconds - asyncio.get_running_loop().time())

    def end(self) -> tuple[float | None, bytes]:
        """When it was over, and the last line."""
        closed = self.wire.closed_at
        return None if closed is None else closed - self._start, self.wire.said.splitlines()[-1]


async def test_silence_has_its_time() -> None:
    slow = Slow()
    await slow.at(100)
    slow.says(b"NOOP\r\n")
    await slow.at(399)
    assert slow.end() == (None, b"250 2.0.0 ok")
    await slow.at(401)
    assert slow.end() == (400, b"421 4.4.2 idle time-out, closing connection")


@pytest.mark.parametrize("options", [OPTIONS, InboundOptions(idle_time_s=0)], ids=["idle", "never idle"])
@pytest.mark.parametrize("bite", [b"N", b"N" * 3000], ids=["a byte", "a lot"])
async def test_half_a_command_a_minute_ends_after_ten(options: InboundOptions, bite: bytes) -> None:
    """Also when so much came that it cannot be a command any more."""
    slow = Slow(options)
    for minute in range(1, 11):
        await slow.at(60 * minute)
        slow.says(bite)
    await slow.at(659)
    assert slow.end()[0] is None
    await slow.at(661)
    assert slow.end() == (660, b"421 4.4.2 command took too long, closing connection")


async def test_a_client_that_says_whole_commands_slowly_may_stay() -> None:
    slow = Slow()
    for minute in range(1, 61):
        await slow.at(60 * minute)
        slow.says(b"OP\r\nNO" if minute > 1 else b"NO")  # no packet ends where a command does
    assert slow.end() == (None, b"250 2.0.0 ok")


async def test_without_idle_time_silence_between_commands_is_never_too_long() -> None:
    slow = Slow(InboundOptions(idle_time_s=0))
    slow.says(b"NO")
    await slow.at(10)
    slow.says(b"OP\r\n")
    await slow.at(90_000)
    assert slow.end() == (None, b"250 2.0.0 ok")


async def test_who_pipelines_a_lot_behind_what_takes_time_is_read_again_after_it() -> None:
    slow = Slow(InboundOptions(open_relay=True, throttle_messages=Rate(1, 60)))
    slow.says(b"EHLO client.test\r\nMAIL FROM:<a@x.test>\r\n" + b"NOOP\r\n" * 20_000)
    await slow.at(4)
    assert not slow.wire.is_read
    await slow.at(6)
    assert slow.wire.said.count(b"250 2.0.0 ok\r\n") == 20_000
    assert slow.wire.is_read
