"""A worker's side of the limits: nothing is lost when an answer is late, the asker gone, or the core another one."""

import asyncio

import pytest

from momentum_node import worker_link as wire
from momentum_node.limits.grants import Grant, Grants


class Core:
    """Hears what the worker says."""

    def __init__(self) -> None:
        self.heard: list[wire.Frame] = []
        self.recalled: list[int] = []
        self.grants = Grants(self.heard.append, self.recalled.append)


async def asked(core: Core, *, token: bool = False) -> "asyncio.Task[object]":
    work = core.grants.message("b", "d", 1) if token else core.grants.connection("b", "d", ("mx",), 1)
    task: asyncio.Task[object] = asyncio.ensure_future(work)
    await asyncio.sleep(0)
    return task


async def test_what_is_granted_is_held_until_it_is_released_and_told_to_the_next_core() -> None:
    core = Core()
    task = await asked(core)
    core.grants.hear(wire.Granted(1, "mx"))
    assert await task == Grant(1, "mx")
    core.heard.clear()

    core.grants.core_lost()
    core.grants.core_is_back()
    assert core.heard == [wire.Holds(1, "b", "d", "mx")]

    core.grants.release(1)
    core.grants.release(1)
    assert core.heard[1:] == [wire.Withdraw(1)]


async def test_a_lost_core_answers_nobody_and_keeps_nobody_waiting() -> None:
    core = Core()
    task, token = await asked(core), await asked(core, token=True)
    core.grants.core_lost()
    assert (await task, await token) == (None, False)


async def test_who_stops_waiting_withdraws_and_a_late_token_goes_back() -> None:
    core = Core()
    for task in (await asked(core), await asked(core, token=True)):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    core.heard.clear()

    core.grants.hear(wire.Granted(1, "mx"))
    core.grants.hear(wire.Granted(2, ""))

    assert core.heard == [wire.Unused(2, "b", "d")]


async def test_recalls_are_passed_on() -> None:
    core = Core()
    core.grants.hear(wire.Recalled(7))
    assert core.recalled == [7]
