"""How many clients are let in, counted over real workers: exact while they come and go, and when a worker dies."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import pytest

from tests.support.mailnode import MailNode
from tests.support.talk import Talk

pytestmark = pytest.mark.timeout(120)

REFUSED = "421 4.4.5 Service unavailable, concurrency limit reached"


class Crowd:
    """Clients of one node."""

    def __init__(self, node: MailNode) -> None:
        self.node = node
        self._all: list[Talk] = []

    async def come(self, count: int, source: str | None = None) -> list[Talk]:
        """So many at once; those that were let in. All others were told why they were not."""
        talks = await asyncio.gather(*(Talk.to(self.node.port, source=source) for _ in range(count)))
        self._all += talks
        admitted = [one for one in talks if one.greeting.startswith("220 ")]
        assert {one.greeting for one in talks if one not in admitted} <= {REFUSED}
        return admitted

    async def room(self, most: int) -> int:
        """How many more are let in; they stay."""
        found = 0
        while found < most and await self.come(1):
            found += 1
        return found

    def counted(self) -> int:
        """By the core."""
        return len(self.node.core.desk.sessions)

    def leave(self) -> None:
        for one in self._all:
            one.close()


@asynccontextmanager
async def running(folder: Path, listener: str, more: str = "") -> AsyncIterator[Crowd]:
    node = MailNode(folder, "127.0.0.1:9", workers=2, listener=listener, more=more)
    await node.start()
    crowd = Crowd(node)
    try:
        yield crowd
    finally:
        crowd.leave()
        await node.stop()


async def is_served(talk: Talk) -> bool:
    try:
        return (await talk.say("NOOP")).startswith("250")
    except OSError:
        return False


async def test_a_block_of_clients_has_its_limit_over_all_workers(tmp_path: Path) -> None:
    async with running(tmp_path, "Max_Inbound_Connections = 5") as crowd:
        inside = await crowd.come(20)
        assert len(inside) == 5
        assert len(await crowd.come(3, source="127.0.0.2")) == 3  # another block

        inside[0].close()
        await crowd.node.until(lambda: crowd.counted() == 7)
        assert await crowd.room(5) == 1
        assert all([await is_served(one) for one in inside[1:]])


async def test_a_worker_that_dies_takes_its_clients_out_of_the_count(tmp_path: Path) -> None:
    async with running(tmp_path, "Max_Inbound_Connections = 8 Service_Sessions = 9") as crowd:
        inside = await crowd.come(20)
        assert len(inside) == 8
        os.kill(crowd.node.worker_pids()[0], signal.SIGKILL)
        await crowd.node.until(lambda: crowd.node.core.report()["workers"] == 1)

        left = sum([await is_served(one) for one in inside])
        assert crowd.counted() == left
        await crowd.node.until(lambda: crowd.node.core.report()["workers"] == 2)
        assert await crowd.room(20) == 8 - left


async def test_the_size_of_a_block_is_an_option(tmp_path: Path) -> None:
    """Inbound_Connections_Mask: neighbours share a limit."""
    async with running(tmp_path, "Max_Inbound_Connections = 2 Inbound_Connections_Mask = 24") as crowd:
        assert len(await crowd.come(1, source="127.0.3.1")) == 1
        assert len(await crowd.come(2, source="127.0.3.2")) == 1
        assert len(await crowd.come(2, source="127.0.4.1")) == 2


async def test_clients_stay_counted_when_the_core_is_another_one(tmp_path: Path) -> None:
    async with running(tmp_path, "Max_Inbound_Connections = 4") as crowd:
        inside = await crowd.come(6)
        crowd.node.core_dies()
        crowd.node.core_returns()
        await crowd.node.until(lambda: crowd.counted() == 4)
        assert await crowd.come(3) == []
        assert all([await is_served(one) for one in inside])


@pytest.mark.parametrize("option", ["Listener_Sessions", "Service_Sessions"])
async def test_a_socket_has_its_limit_over_all_workers(tmp_path: Path, option: str) -> None:
    async with running(tmp_path, f"{option} = 3") as crowd:
        assert len(await crowd.come(12)) == 3


async def test_an_address_that_xclient_names_is_the_one_that_counts(tmp_path: Path) -> None:
    options = 'SMTP_Extensions = ( "XCLIENT" ) Peer "192.0.2.0/24" { Max_Inbound_Connections = 1 }'
    async with running(tmp_path, options) as crowd:
        first, second = await crowd.come(2)
        assert (await first.say("XCLIENT ADDR=192.0.2.7")).startswith("220 ")
        assert await second.say("XCLIENT ADDR=192.0.2.7") == REFUSED
        (third,) = await crowd.come(1)
        assert (await third.say("XCLIENT ADDR=192.0.2.8")).startswith("220 ")


async def test_an_address_that_xremoteip_names_counts_and_the_session_goes_on(tmp_path: Path) -> None:
    options = 'SMTP_Extensions = ( "XREMOTEIP" ) Peer "192.0.2.0/24" { Max_Inbound_Connections = 1 }'
    async with running(tmp_path, options) as crowd:
        first, second = await crowd.come(2)
        assert (await first.say("MAIL FROM:<a@x.test>")).startswith("250 ")
        assert await first.say("XREMOTEIP 192.0.2.7") == "250 2.0.0 ok"
        assert await first.say("RCPT TO:<b@y.test>") == "550 5.7.1 relaying denied"  # 127.0.0.1 could relay
        assert await second.say("XREMOTEIP 192.0.2.7") == REFUSED


async def test_messages_are_accepted_so_fast_and_no_faster_over_all_workers(tmp_path: Path) -> None:
    """Inbound_Throttle_Messages: who comes too early waits for the answer to MAIL FROM, and hears no error."""
    async with running(tmp_path, "", 'Inbound_Throttle_Messages = "3/4"') as crowd:
        talks = await crowd.come(8)
        start, answered = monotonic(), []

        async def send(talk: Talk) -> None:
            assert await talk.say("MAIL FROM:<a@x.test>") == "250 2.1.0 sender ok"
            answered.append(monotonic() - start)

        await asyncio.gather(*map(send, talks))
        assert sorted(answered)[3] >= 4
        assert sorted(answered)[6] >= 8


async def test_whose_turn_would_not_be_soon_is_asked_to_come_again(tmp_path: Path) -> None:
    async with running(tmp_path, "", 'Inbound_Throttle_Messages = "1/100"') as crowd:
        first, second = await crowd.come(2)
        assert (await first.say("MAIL FROM:<a@x.test>")).startswith("250")
        assert (await second.say("MAIL FROM:<a@x.test>")).startswith("451 4.3.2")
        assert crowd.node.core.desk.denials == {"Inbound_Throttle_Messages": 1}
        assert await is_served(second)
