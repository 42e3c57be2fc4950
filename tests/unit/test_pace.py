"""However many changes come, other work has its share of the loop."""

import asyncio
import itertools

import pytest

from momentum_node import pace
from momentum_node.pace import SHARE, Pace

pytestmark = pytest.mark.looptime


class Looks:
    """Work that takes `takes_s` of a clock that stands still otherwise."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, takes_s: float) -> None:
        self.loop = asyncio.get_running_loop()
        self.extra_s, self.takes_s = 0.0, takes_s
        self.times: list[float] = []
        monkeypatch.setattr(pace, "monotonic", lambda: self.loop.time() + self.extra_s)

    def __call__(self) -> None:
        self.times.append(self.loop.time())
        self.extra_s += self.takes_s

    async def change_for(self, paced: Pace, seconds: float) -> None:
        ends = self.loop.time() + seconds
        while self.loop.time() < ends:
            paced.changed()
            await asyncio.sleep(0.001)


async def test_a_burst_of_changes_is_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = Looks(monkeypatch, 0.0)
    paced = Pace(looks, 0.05)
    await looks.change_for(paced, 0.04)
    await asyncio.sleep(1)
    assert len(looks.times) == 1


async def test_a_look_that_took_long_leaves_time_for_other_work(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = Looks(monkeypatch, 0.02)
    paced = Pace(looks, 0.0)
    await looks.change_for(paced, 1.0)
    pauses = [after - before for before, after in itertools.pairwise(looks.times)]
    assert min(pauses) == pytest.approx(0.02 * SHARE)
    assert len(looks.times) >= 4


async def test_who_takes_long_comes_after_what_the_change_makes_necessary(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = Looks(monkeypatch, 0.02)
    paced = Pace(looks, 0.0)
    paced.now()
    await asyncio.sleep(5)
    changed = looks.loop.time()
    paced.changed()
    await asyncio.sleep(1)
    assert looks.times[1] - changed == pytest.approx(0.02 * SHARE)


async def test_no_pause_is_longer_than_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = Looks(monkeypatch, 3.0)
    paced = Pace(looks, 0.0)
    await looks.change_for(paced, 4.5)
    assert len(looks.times) == 3


async def test_many_addresses_are_looked_at_later_although_the_last_time_was_quick(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing had changed then."""
    looks = Looks(monkeypatch, 0.0)
    paced = Pace(looks, 0.05, lambda: 1000)
    await looks.change_for(paced, 0.25)
    assert looks.times == []
    await asyncio.sleep(0.1)
    assert len(looks.times) == 1


async def test_who_asks_for_it_now_gets_it_and_what_was_due_is_done_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = Looks(monkeypatch, 0.0)
    paced = Pace(looks, 0.05)
    paced.changed()
    paced.now()
    await asyncio.sleep(1)
    assert len(looks.times) == 1
    paced.changed()
    paced.cancel()
    await asyncio.sleep(1)
    assert len(looks.times) == 1
