"""A dead node's spool is taken over: whatever ends the import, and whenever, every message is here once afterwards.

One machine has the folder and our spool. An import runs until it is killed or the power goes; a worker may then open
what was imported and deliver some of it; the import is run again, until it is through.
"""

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from momentum_node.spool.census import census
from momentum_node.spool.disk import File
from momentum_node.spool.importing import Import, Taken
from momentum_node.spool.landing import Landing
from momentum_node.spool.message import Envelope, Outcome, Recipient, Result, Transaction
from momentum_node.spool.recovery import Kept, Unreadable
from momentum_node.spool.segment import FIRST_RECORD
from momentum_node.spool.shard import Shard
from tests.support.disk import PowerCut, SimulatedDisk

SEGMENT = FIRST_RECORD + 4000
DEAD = ("/dead/shard-00", "/dead/shard-01")
OURS = "/ours/shard-{:02d}"


@dataclass
class World:
    """What there was, and what became of it."""

    rng: random.Random
    disk: SimulatedDisk = field(default_factory=SimulatedDisk)
    promised: dict[str, tuple[str, bytes, int]] = field(default_factory=dict)  # id → recipient, content, tries
    delivered: Counter[str] = field(default_factory=Counter)  # by recipient: each message has its own
    used: int = 0
    """Shards of ours that imports have written to."""
    problems: list[Unreadable] = field(default_factory=list)
    lines: list[Taken] = field(default_factory=list)

    def shard(self, folder: str) -> Shard:
        """Open."""
        made = Shard(
            self.disk,
            folder,
            salt=lambda: self.rng.randbytes(8),
            on_unreadable=self.problems.append,
            segment_bytes=SEGMENT,
        )
        made.open()
        return made

    # -- the node that died

    def fill(self, folder: str, shard: int) -> None:
        """A life of some groups; what waits at its end is promised."""
        dead = self.shard(folder)
        ids = dead.start(9, shard, 29_000_000)
        waiting: dict[str, tuple[str, bytes, int]] = {}
        for _ in range(self.rng.randrange(1, 5)):
            made = [self._transaction(dead, str(ids.next()), str(ids.next())) for _ in range(self.rng.randrange(1, 4))]
            dead.write([(one, file) for one, file, _ in made], [], now=1000.0)
            waiting.update({to.id: (to.address, content, 0) for one, _, content in made for to in one.recipients})
            self._end_some(dead, waiting)
        dead.close()
        self.promised.update(waiting)

    def _transaction(self, dead: Shard, *ids: str) -> tuple[Transaction, File | None, bytes]:
        recipients = tuple(
            Recipient(id_, f"{id_}@b.test", "default", "b.test", hop=self.rng.choice((0, 0, 3)))
            for id_ in ids[: self.rng.choice((1, 2))]
        )
        head, body = b"Received: x\r\n", self.rng.randbytes(self.rng.choice((10, 300, 1500)))
        envelope = Envelope(1000.0, "s@a.test", len(head) + len(body))
        if self.rng.random() > 0.3:
            return Transaction(envelope, recipients, head, (body,)), None, head + body
        name = f"{ids[0].replace('/', '-')}.body"
        file = dead.create_body(name)
        file.pwritev([body], 0)
        return Transaction(envelope, recipients, head, (), name), file, head + body

    def _end_some(self, dead: Shard, waiting: dict[str, tuple[str, bytes, int]]) -> None:
        for id_ in sorted(waiting):
            fate = self.rng.random()
            if fate < 0.3:
                dead.write([], [Outcome(id_, Result.DELIVERED)], now=1000.0)
                del waiting[id_]
            elif fate < 0.5:
                dead.write([], [Outcome(id_, Result.RETRY, 2, 5000.0)], now=1000.0)
                waiting[id_] = (*waiting[id_][:2], 2)

    # -- the import

    def run_import(self) -> None:
        """One run, into the next shard that nobody has."""
        folders = [OURS.format(number) for number in range(self.used)]
        known = census(self.disk, folders)
        target = self.shard(OURS.format(self.used))
        self.used += 1
        for folder in DEAD:
            source = self.shard(folder)
            moving = Import(source, Landing(target, known, "n1"), self.lines.append)
            moving.run(lambda: 1000.0, lambda _done, _all: None)
            source.close()
            assert moving.left == 0
        target.close()

    def deliver_some(self) -> None:
        """A worker has opened what was imported, and lets go of what is done with."""
        share = self.rng.choice((0.4, 1.0))
        for number in range(self.used):
            shard = self.shard(OURS.format(number))
            found = recovered(shard)
            for kept in found:
                for one in kept.recipients:
                    if self.rng.random() < share:
                        shard.write([], [Outcome(one.id, Result.DELIVERED)], now=1000.0)
                        self.delivered[one.address] += 1
            if shard.is_spent:
                shard.clear()
            shard.close()

    # -- the judge

    def check(self) -> None:
        """Every promised message is here, or was delivered, and only once."""
        found: Counter[str] = Counter(self.delivered)
        for number in range(self.used):
            shard = self.shard(OURS.format(number))
            for kept in recovered(shard):
                content = shard.read(kept.stored)
                for one in kept.recipients:
                    found[one.address] += 1
                    address, promised, tries = self.promised[one.id]
                    assert (one.address, content) == (address, promised), "the content is another"
                    known = kept.tries.get(one.id)
                    assert known is None or known.retries == tries, "tries were invented"
            shard.close()
        assert found == Counter(address for address, _, _ in self.promised.values())
        assert not self.problems
        for folder in DEAD:
            shard = self.shard(folder)
            assert recovered(shard) == []
            shard.close()
            assert self.disk.list(f"{folder}/bodies") == []


def recovered(shard: Shard) -> list[Kept]:
    found = [kept for number in shard.to_recover for kept in shard.recover(number)]
    shard.finish_recovery()
    return found


def test_an_import_without_mishap_keeps_everything_that_was_known() -> None:
    for seed in range(20):
        world = World(random.Random(seed))  # noqa: S311
        world.fill(DEAD[0], 0)
        world.fill(DEAD[1], 1)
        world.run_import()
        world.check()
        target = world.shard(OURS.format(0))
        tries = {id_: one.retries for kept in recovered(target) for id_, one in kept.tries.items()}
        assert tries == {id_: promise[2] for id_, promise in world.promised.items() if promise[2]}
        target.close()


def one_run(seed: int) -> None:
    world = World(random.Random(seed))  # noqa: S311 - a story to repeat, not a secret
    for number, folder in enumerate(DEAD):
        world.fill(folder, number)
    for _ in range(4):
        world.disk.cut_at = world.disk.steps + world.rng.randrange(1, 60)
        try:
            world.run_import()
        except PowerCut:
            world.disk.cut_at = None
            if world.rng.random() < 0.5:  # else only the process was killed
                world.disk = world.disk.after_power_cut(world.rng)
        world.disk.cut_at = None
        if world.rng.random() < 0.6:
            world.deliver_some()
    world.run_import()
    world.check()


def runs(seeds: range) -> None:
    for seed in seeds:
        try:
            one_run(seed)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


def test_every_message_is_taken_over_once_whatever_ends_the_import() -> None:
    first = random.SystemRandom().randrange(1 << 32)
    runs(range(first, first + 150))


@pytest.mark.long
@pytest.mark.timeout(900)
def test_every_message_is_taken_over_once_in_five_thousand_imports() -> None:
    runs(range(5000))
