"""Thousands of addresses begin together, and the heartbeat is on time."""

import asyncio

from momentum_node.duravip.turns import AT_ONCE, Turns


async def test_a_few_begin_in_each_turn_of_the_loop_in_order() -> None:
    turns, begun = Turns(), []
    loop = asyncio.get_running_loop()

    async def begin(number: int) -> None:
        await turns.take()
        begun.append(number)

    work = [asyncio.create_task(begin(number)) for number in range(10 * AT_ONCE)]
    most = 0
    while not all(task.done() for task in work):
        before = len(begun)
        turned = loop.create_future()
        loop.call_soon(turned.set_result, None)
        await turned
        most = max(most, len(begun) - before)
    assert begun == list(range(10 * AT_ONCE))
    assert most <= 2 * AT_ONCE  # one turn's, and those that became ready in it


async def test_who_was_told_to_give_up_keeps_no_turn_from_others() -> None:
    turns = Turns()
    first, second = turns.take(), turns.take()
    first.cancel()
    await asyncio.wait_for(second, 1)
    assert first.cancelled()
