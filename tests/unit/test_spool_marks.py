"""Marks of moved messages in the spool: they outlive restarts and the removal of their segments, and go in the end."""

import random
from dataclasses import replace
from pathlib import Path

from momentum_node.spool.disk import RealDisk
from momentum_node.spool.marks import MARK_LIFE_S, Mark, State, Verdict, handed, offered, raised
from momentum_node.spool.message import Envelope, Message, Outcome, Recipient, Result, Stored, Transaction
from momentum_node.spool.recovery import Kept, Unreadable
from momentum_node.spool.segment import FIRST_RECORD
from momentum_node.spool.shard import Shard
from momentum_node.spool.store import Store
from tests.support.disk import SimulatedDisk

FOLDER = "/spool/shard-00"


def nothing(_found: Unreadable) -> None:
    raise AssertionError("all of it is readable")


def opened(disk: SimulatedDisk) -> tuple[Shard, list[Kept]]:
    shard = Shard(disk, FOLDER, salt=lambda: b"12345678", on_unreadable=nothing, segment_bytes=FIRST_RECORD + 3000)
    shard.open()
    found = [kept for number in shard.to_recover for kept in shard.recover(number)]
    shard.finish_recovery()
    return shard, found


def mail(id_: str, hop: int = 0, created: float = 7.0) -> Transaction:
    body = random.Random(id_).randbytes(400)  # noqa: S311 - any bytes
    return Transaction(
        Envelope(created, "s@a.test", 400), (Recipient(id_, "r@b.test", "moving", "b.test", hop),), b"", (body,)
    )


def age(shard: Shard, groups: int = 60) -> None:
    """Other mail comes and goes, until old segments are given up."""
    for number in range(groups):
        shard.write([(mail(f"other-{number}"), None)], [])
        shard.write([], [Outcome(f"other-{number}", Result.DELIVERED)])


def test_marks_move_to_the_front_with_what_they_speak_of() -> None:
    disk = SimulatedDisk()
    shard, _ = opened(disk)
    shard.write(
        [(mail("raised", 1), None), (mail("offered"), None), (mail("handed"), None), (mail("done", 1), None)], []
    )
    raise_it, offer = raised(Mark("raised", 7.0, State.HELD, 1), 3), offered(shard_mark(shard, "offered"), "n2", 50.0)
    gone = handed(offered(shard_mark(shard, "handed"), "n2", 50.0), 50.0)
    shard.write([], [Outcome("done", Result.DELIVERED)], [raise_it, offer, gone], 60.0)
    before = disk.list(FOLDER)
    age(shard)
    shard.close()
    assert not set(before) & {name for name in disk.list(FOLDER) if name.endswith(".seg")}

    shard, found = opened(disk)
    hops = {one.id: one.hop for kept in found for one in kept.recipients}
    assert hops == {"raised": 3, "offered": 0}
    assert {mark.id: (mark.state, mark.hop) for mark in shard.marks.all()} == {
        "raised": (State.HELD, 3),
        "offered": (State.OFFERED, 0),
        "handed": (State.HANDED, 1),
        "done": (State.FINISHED, 1),
    }
    shard.marks.expire(60.0 + MARK_LIFE_S + 1)
    assert {mark.id for mark in shard.marks.all()} == {"raised", "offered"}


def shard_mark(shard: Shard, id_: str) -> Mark:
    """Of a message that never moved."""
    created = shard.created(id_)
    assert created is not None
    return Mark(id_, created, State.HELD, 0)


def test_a_message_that_left_and_came_back_is_there_after_a_crash() -> None:
    disk = SimulatedDisk()
    shard, _ = opened(disk)
    shard.write([(mail("a"), None)], [])
    shard.write([], [], [handed(offered(shard_mark(shard, "a"), "n2", 1.0), 1.0)])
    shard.write([(mail("a", 2), None)], [])

    shard, found = opened(disk.after_power_cut(random.Random(1)))  # noqa: S311
    assert [(one.id, one.hop) for kept in found for one in kept.recipients] == [("a", 2)]
    known = shard.marks.get("a")
    assert known is not None
    assert (known.state, known.hop, known.awaits) == (State.HELD, 2, (2,))


async def test_the_store_judges_only_what_it_knows_for_sure(tmp_path: Path) -> None:
    store = Store(RealDisk(), str(tmp_path / "shard-00"), 0, on_unreadable=nothing)
    await store.open(1)
    assert store.judge("a", 7.0, 1) is Verdict.BUSY  # the recovery is not over: it may be there
    assert await store.recover(lambda _message: None) == []
    assert store.judge("a", 7.0, 1) is Verdict.TAKE
    kept: list[Stored | None] = []
    store.keep(mail("a", 1), None, kept.append)
    assert store.judge("a", 7.0, 1) is Verdict.BUSY
    await store.close()
    assert kept[0] is not None

    store = Store(RealDisk(), str(tmp_path / "shard-00"), 0, on_unreadable=nothing)
    await store.open(1)
    found: list[Message] = []
    await store.recover(found.append)
    assert [message.id for message in found] == ["a"]
    assert store.judge("a", 7.0, 1) is Verdict.DUPLICATE
    mark = store.mark("a")
    assert mark is not None
    noted: list[bool] = []
    store.note([handed(offered(mark, "n2", 1e12), 1e12)], noted.append)
    store.release(found[0])
    await store.close()
    assert noted == [True]

    store = Store(RealDisk(), str(tmp_path / "shard-00"), 0, on_unreadable=nothing)
    await store.open(1)
    await store.recover(found.append)
    assert len(found) == 1
    assert [store.judge("a", 7.0, hop) for hop in (1, 2, 3)] == [Verdict.DUPLICATE, Verdict.DUPLICATE, Verdict.TAKE]
    assert [(one.id, one.owes) for one in store.marks()] == [("a", True)]
    await store.close()


def test_a_message_that_comes_back_while_its_old_mark_is_moved_is_held() -> None:
    disk = SimulatedDisk()
    shard, _ = opened(disk)
    shard.write([(mail("a", 1), None)], [])
    shard.write([], [], [handed(offered(Mark("a", 7.0, State.HELD, 1, awaits=(1,)), "n2", 1.0), 1.0)])
    age(shard, 6)
    again = mail("a", 3)
    (one,) = again.recipients
    back = Transaction(again.envelope, (replace(one, awaited=(1,)),), again.head, again.body)
    for number in range(40):  # one of these groups moves the mark
        age(shard, 1)
        if number == 20:
            shard.write([(back, None)], [])
    known = shard.marks.get("a")
    assert known is not None
    assert (known.state, known.hop, known.awaits) == (State.HELD, 3, (1, 3))

    shard, found = opened(disk.after_power_cut(random.Random(2)))  # noqa: S311
    assert [(one.id, one.hop) for kept in found for one in kept.recipients] == [("a", 3)]
    assert shard.marks.get("a") == known
