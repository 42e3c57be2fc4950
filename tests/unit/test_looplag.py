"""How late the loop of a worker is."""

import asyncio
import time

import pytest

from momentum_node.looplag import BOUNDS_S, LoopLag


def test_delays_are_counted_by_their_length_and_the_longest_is_told_once() -> None:
    lag = LoopLag()
    for delay_s in (0.0, 0.0004, 0.03, 0.031, 9.0):
        lag.heed(delay_s)
    found = {bound: count for bound, count in zip(BOUNDS_S, lag.counts, strict=True) if count}
    assert found == {0.001: 2, 0.03: 1, 0.04: 1, float("inf"): 1}
    assert (lag.take_most_s(), lag.take_most_s()) == (9.0, 0.0)


@pytest.mark.asyncio
async def test_a_loop_that_is_kept_busy_is_late() -> None:
    lag = LoopLag()
    lag.watch()
    time.sleep(0.3)
    async with asyncio.timeout(60):
        while not sum(lag.counts):
            await asyncio.sleep(0.01)
    assert lag.sum_s >= 0.2
