"""Mail goes A → B → A → B while wires break and machines die between any two steps: nothing is lost, nothing is
delivered twice, but where a next hop had taken a message and the crash came before that was written down.
"""

import random
from collections.abc import Callable

import pytest

from momentum_node.spool.marks import MARK_LIFE_S
from tests.support.movingmail import Node, World

STEPS = 250


def one_step(world: World, node: Node) -> None:
    """Something that a healthy node does."""
    spool = node.spool
    assert spool is not None
    rng = world.rng
    action: Callable[[], None] = rng.choice(
        (
            lambda: world.attempt(node, spool.commit),
            lambda: world.attempt(node, spool.commit),
            lambda: world.move(node),
            lambda: world.move(node),
            lambda: world.deliver(node) if rng.random() < 0.3 else None,
        )
    )
    action()
    for wire in list(world.wires):
        world.pump(wire, rng.choice((1, 40, 700, 5000)))


def mishap(world: World) -> None:
    """Something that a mail administrator fears."""
    rng = world.rng
    what = rng.randrange(8)
    if what == 0 and world.wires:
        world.cut(rng.choice(world.wires))
    elif what == 1 and world.up:
        world.crash(rng.choice(world.up), with_power=rng.random() < 0.5)
    elif what == 2 and world.up:
        node = rng.choice(world.up)
        node.disk.cut_at = node.disk.steps + rng.randrange(1, 12)
    elif what < 6:
        world.owner = rng.choice([*world.nodes, None])
    else:
        for node in world.nodes:
            if node.spool is None:
                world.start(node)


def settle(world: World, owner: Node) -> None:
    """Peace: all nodes are up, the address stays where it is, and every message comes to its end."""
    for node in world.nodes:
        if node.spool is None:
            world.start(node)
        node.disk.cut_at = None
    world.owner = owner
    quiet = 0
    for _ in range(4000):
        before = sum(world.delivered.values()), world.now
        for node in world.nodes:
            assert node.spool is not None
            world.move(node)
            world.deliver(node)
            node.spool.commit()
        for wire in list(world.wires):
            world.pump(wire, 1 << 20)
            wire.giver.confirm()
        world.now += 1.0
        is_done = not any(node.queue for node in world.nodes) and sum(world.delivered.values()) == before[0]
        is_told = not any(mark.owes for node in world.nodes for mark in (node.spool.marks() if node.spool else []))
        quiet = quiet + 1 if is_done and is_told else 0
        if quiet > 10:
            return
    left = {node.name: sorted(node.queue) for node in world.nodes}
    raise AssertionError(f"mail does not come to rest: {left}")


def one_life(seed: int, names: str = "AB", broken: tuple[str, str] | None = None) -> World:
    world = World(names, seed, broken)
    rng = world.rng
    for _ in range(STEPS):
        world.now += 0.01
        if rng.random() < 0.06:
            mishap(world)
        elif world.up:
            node = rng.choice(world.up)
            if rng.random() < 0.05:
                world.submit(node)
            one_step(world, node)
    settle(world, rng.choice(world.nodes))
    judge(world)
    return world


def judge(world: World) -> None:
    lost = sorted(set(world.promised) - set(world.delivered))
    assert not lost, f"{len(lost)} acknowledged messages are lost: {lost}"
    twice = {id_ for id_, count in world.delivered.items() if count > 1 + world.doubtful[id_]}
    assert not twice, f"delivered more often than a crash explains: {sorted(twice)}"
    assert not world.problems


def lives(seeds: range, names: str, broken: tuple[str, str] | None = None) -> list[World]:
    worlds = []
    for seed in seeds:
        try:
            worlds.append(one_life(seed, names, broken))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, nodes {names}: {error}") from error
    return worlds


@pytest.mark.parametrize("names", ["AB", "ABC"])
def test_mail_that_moves_is_never_lost_and_never_doubled_without_a_reason(names: str) -> None:
    first = random.SystemRandom().randrange(1 << 32)
    worlds = lives(range(first, first + 40), names)
    assert sum(sum(world.delivered.values()) for world in worlds) > 0


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("names", ["AB", "ABC"])
def test_two_thousand_lives_of_mail_that_moves(names: str) -> None:
    lives(range(2000), names)


def test_without_the_sync_of_a_segment_the_promise_breaks() -> None:
    """The property means something: take the sync away, and an acknowledged message is lost."""
    with pytest.raises(AssertionError, match="lost"):
        lives(range(1000), "AB", ("fdatasync", ".seg"))


def test_after_a_day_nothing_is_remembered() -> None:
    world = one_life(7)
    for node in world.nodes:
        assert node.spool is not None
        node.spool.shard.marks.expire(world.now + MARK_LIFE_S + 1)
        assert node.spool.marks() == []
