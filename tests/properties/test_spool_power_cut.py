"""The power goes at any step: what was acknowledged is there afterwards, whole, and what was finished stays finished.

Each run is a life of a shard with several starts: groups of messages are written, some are delivered or tried again,
some are large; old segments are moved and removed. At a random step the power goes; the next start judges.
"""

import random
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from momentum_node.spool.disk import File
from momentum_node.spool.message import Envelope, IdSource, Outcome, Recipient, Result, Stored, Transaction
from momentum_node.spool.recovery import Kept, Unreadable
from momentum_node.spool.segment import FIRST_RECORD
from momentum_node.spool.shard import Shard
from tests.support.disk import PowerCut, SimulatedDisk

FOLDER = "/spool/shard-00"
SEGMENT = FIRST_RECORD + 6000


@dataclass
class Ledger:
    """What the outside world was told, and what it must therefore find."""

    promised: dict[str, tuple[str, bytes]] = field(default_factory=dict)  # id → recipient, content; a 250 was given
    ended: set[str] = field(default_factory=set)  # an end was asked for: may or may not be known afterwards
    finished: set[str] = field(default_factory=set)  # an end was durable
    ids: set[str] = field(default_factory=set)
    problems: list[Unreadable] = field(default_factory=list)


def start(disk: SimulatedDisk, ledger: Ledger, rng: random.Random) -> tuple[Shard, IdSource]:
    shard = Shard(
        disk, FOLDER, salt=lambda: rng.randbytes(8), on_unreadable=ledger.problems.append, segment_bytes=SEGMENT
    )
    shard.open()
    return shard, shard.start(1, 0, 29_000_000)


def recover(shard: Shard) -> list[Kept]:
    found = [kept for number in shard.to_recover for kept in shard.recover(number)]
    shard.finish_recovery()
    return found


def check(shard: Shard, found: list[Kept], ledger: Ledger) -> dict[str, Stored]:
    """The promises hold; returns what waits."""
    waiting: dict[str, Stored] = {}
    for kept in found:
        for recipient in kept.recipients:
            assert recipient.id not in waiting, "one message came back twice"
            assert recipient.id not in ledger.finished, "a finished message came back"
            waiting[recipient.id] = kept.stored
            promise = ledger.promised.get(recipient.id)
            if promise is not None:
                assert (recipient.address, content(shard, kept.stored)) == promise, "the content is another"
    lost = set(ledger.promised) - set(waiting) - ledger.ended
    assert not lost, f"{len(lost)} acknowledged messages are lost"
    assert not ledger.problems
    return waiting


def content(shard: Shard, stored: Stored) -> bytes | None:
    try:
        return shard.read(stored)
    except FileNotFoundError:
        return None


def transaction(shard: Shard, ids: IdSource, ledger: Ledger, rng: random.Random) -> tuple[Transaction, File | None]:
    recipients = []
    for number in range(rng.choice((1, 1, 1, 3))):
        id_ = ids.next()
        assert id_ is not None
        assert id_ not in ledger.ids, "an id was given twice"
        ledger.ids.add(id_)
        recipients.append(Recipient(id_, f"r{number}@b.test", "default", "b.test"))
    head, body = b"Received: x\r\n", rng.randbytes(rng.choice((10, 300, 1500)))
    envelope = Envelope(1000.0, "s@a.test", len(head) + len(body))
    if rng.random() > 0.15:
        return Transaction(envelope, tuple(recipients), head, (body,)), None
    name = f"{recipients[0].id.replace('/', '-')}.body"
    file = shard.create_body(name)
    file.pwritev([body], 0)
    return Transaction(envelope, tuple(recipients), head, (), name), file


def outcomes(waiting: dict[str, Stored], ledger: Ledger, rng: random.Random) -> list[Outcome]:
    chosen = [id_ for id_ in sorted(waiting) if rng.random() < 0.6]
    made = [Outcome(id_, rng.choice((Result.DELIVERED, Result.DELIVERED, Result.RETRY)), 1, 2000.0) for id_ in chosen]
    ledger.ended |= {one.id for one in made if one.result.is_final}
    return made


def live(disk: SimulatedDisk, ledger: Ledger, rng: random.Random, groups: int) -> None:
    """One start of the worker and what it does until the power goes, or it ends in peace."""
    shard, ids = start(disk, ledger, rng)
    waiting = check(shard, recover(shard), ledger)
    for _ in range(groups):
        arriving = [transaction(shard, ids, ledger, rng) for _ in range(rng.randrange(4))]
        ending = outcomes(waiting, ledger, rng)
        stored = shard.write(arriving, ending)
        for (one, _), place in zip(arriving, stored, strict=True):
            promised = shard.read(place)
            for recipient in one.recipients:
                ledger.promised[recipient.id] = (recipient.address, promised)
                waiting[recipient.id] = place
        for end in ending:
            if end.result.is_final:
                ledger.finished.add(end.id)
                del waiting[end.id]
    shard.close()


def one_run(seed: int, broken: tuple[str, str] | None = None) -> None:
    rng = random.Random(seed)  # noqa: S311 - a story to repeat, not a secret
    disk, ledger = SimulatedDisk(broken=broken), Ledger()
    for _ in range(3):
        disk.cut_at = rng.randrange(1, 120)
        with suppress(PowerCut):
            live(disk, ledger, rng, groups=20)
        disk = disk.after_power_cut(rng)
        disk.cut_at = None
    live(disk, ledger, rng, groups=0)


def runs(seeds: range, broken: tuple[str, str] | None = None) -> None:
    for seed in seeds:
        try:
            one_run(seed, broken)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


def test_nothing_acknowledged_is_lost_whenever_the_power_goes() -> None:
    first = random.SystemRandom().randrange(1 << 32)
    runs(range(first, first + 400))


@pytest.mark.long
@pytest.mark.timeout(900)
def test_nothing_acknowledged_is_lost_in_twenty_thousand_power_cuts() -> None:
    runs(range(7000))


@pytest.mark.parametrize(
    "removed",
    [
        ("fdatasync", ".seg"),
        ("fdatasync", ".body"),
        ("fdatasync", "shard.new"),
        ("sync_directory", "shard-00"),
        ("sync_directory", "bodies"),
    ],
    ids=" ".join,
)
def test_without_any_one_sync_the_promise_breaks(removed: tuple[str, str]) -> None:
    """The property means something: take away one sync of bytes or of names, and it fails."""
    with pytest.raises(AssertionError, match=r"lost|came back|given twice|another|Unreadable"):
        runs(range(1000), removed)


def test_damage_behind_a_sync_is_kept_in_quarantine_and_costs_only_what_it_hit() -> None:
    disk, ledger, rng = SimulatedDisk(), Ledger(), random.Random(1)  # noqa: S311
    shard, ids = start(disk, ledger, rng)
    recover(shard)
    for _ in range(3):
        shard.write([transaction(shard, ids, ledger, rng)], [])
    shard.close()
    disk.damage(f"{FOLDER}/000000000000.seg", FIRST_RECORD + 40, b"rotten")

    shard, _ = start(disk, ledger, rng)
    found = recover(shard)

    assert len(found) == 2
    assert [problem.start for problem in ledger.problems] == [FIRST_RECORD]
    assert disk.list(f"{FOLDER}/quarantine") == [f"000000000000-{FIRST_RECORD}.raw"]
