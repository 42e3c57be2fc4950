"""Mail that is not to be tried any more, or that reaches nobody: which fails, and how much of it at once."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from momentum_node import clock
from momentum_node.config.model import OutboundOptions
from momentum_node.logs.sink import Hub
from momentum_node.smtp.hosts import NO_CONNECTION
from momentum_node.spool.activelist import ActiveList
from momentum_node.spool.message import Message, Outcome, Result
from momentum_node.spool.schedule import TOO_OLD, Untried
from momentum_node.spool.settling import SWEPT_AT_ONCE, UNTRIED_A_TICK, Settling
from momentum_node.spool.store import Store
from momentum_node.spool.telling import Teller
from tests.support.queued import message

SILENT = OutboundOptions(generate_bounces=False)


class Kept:
    """Where outcomes are put down."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.tried: list[str] = []

    def record(self, message: Message, outcome: Outcome) -> None:
        (self.ended if outcome.result is Result.FAILED else self.tried).append(message.id)

    def new_id(self) -> str:
        return "new"


def settling(kept: Kept) -> Settling:
    unused: Any = SimpleNamespace()
    return Settling({0: cast("Store", kept)}, unused, lambda _message: None, Teller(Hub()))


def test_a_backlog_that_grew_too_old_fails_a_piece_at_a_time() -> None:
    kept = Kept()
    one, queue = settling(kept), ActiveList()
    for number in range(2 * UNTRIED_A_TICK + 5):
        queue.append(message(str(number), created=10))
    queue.append(message("young", created=500))
    old = Untried(TOO_OLD, 100)

    assert not one.drop(queue, old, SILENT)
    assert len(kept.ended) == UNTRIED_A_TICK
    assert not one.drop(queue, old, SILENT)  # within the same tick: one more
    assert len(kept.ended) == UNTRIED_A_TICK + 1
    one.tick()
    one.drop(queue, old, SILENT)
    one.tick()
    assert one.drop(queue, old, SILENT)

    assert kept.ended == [str(number) for number in range(2 * UNTRIED_A_TICK + 5)]
    assert [left.id for left in queue] == ["young"]


async def test_a_long_queue_that_reaches_nobody_is_swept_a_piece_at_a_time() -> None:
    kept = Kept()
    one, queue = settling(kept), ActiveList()
    names = [str(number) for number in range(3 * SWEPT_AT_ONCE)]
    for name in names:
        queue.append(message(name, created=clock.wall()))

    one.sweep(queue, NO_CONNECTION, OutboundOptions())
    assert len(kept.tried) == SWEPT_AT_ONCE  # the loop runs: others are served
    one.sweep(queue, NO_CONNECTION, OutboundOptions())  # nobody is reached again meanwhile: that is the same try
    queue.append(message("new", created=clock.wall()))
    while len(kept.tried) < len(names):
        await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert kept.tried == names
    assert [left.id for left in queue] == ["new"]
    one.sweep(queue, NO_CONNECTION, OutboundOptions())
    assert kept.tried[-1] == "new"
