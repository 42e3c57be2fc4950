"""Which of two copies of a message stays when a dead node's spool is taken over, and what goes with it."""

from collections.abc import Sequence
from itertools import count

import pytest

from momentum_node.spool.census import census
from momentum_node.spool.importing import Fate, Import, Taken
from momentum_node.spool.landing import Landing, another_id
from momentum_node.spool.marks import Mark, State
from momentum_node.spool.message import Envelope, Recipient, Transaction
from momentum_node.spool.shard import Shard
from tests.support.disk import SimulatedDisk

ID = "00/09-00001-10000000"
DEAD, OURS, NEW = "/dead/shard-00", "/ours/shard-00", "/ours/shard-01"


class Spools:
    """The folder of the dead node and ours, on one disk."""

    def __init__(self) -> None:
        self.disk = SimulatedDisk()
        self._salts = count(1)
        self.left = self.postponed = 0

    def shard(self, folder: str) -> Shard:
        made = Shard(
            self.disk,
            folder,
            salt=lambda: next(self._salts).to_bytes(8, "big"),
            on_unreadable=lambda _found: None,
            segment_bytes=20_000,
        )
        made.open()
        return made

    def put(self, folder: str, *, created: float = 1000.0, hop: int = 0, marks: Sequence[Mark] = ()) -> None:
        shard = self.shard(folder)
        for number in shard.to_recover:
            shard.recover(number)
        recipient = Recipient(ID, "b@y.test", "default", "y.test", hop=hop)
        shard.write([(Transaction(Envelope(created, "a@x.test", 5), (recipient,), b"", (b"hello",)), None)], [])
        shard.write([], [], marks)
        shard.close()

    def remember(self, folder: str, *marks: Mark) -> None:
        shard = self.shard(folder)
        shard.write([], [], marks)
        shard.close()

    def run(self) -> list[Taken]:
        target = self.shard(NEW)
        lines = self.run_into(Landing(target, census(self.disk, [OURS, NEW]), "n1"))
        target.close()
        return lines

    def run_into(self, landing: Landing) -> list[Taken]:
        lines: list[Taken] = []
        source = self.shard(DEAD)
        moving = Import(source, landing, lines.append)
        moving.run(lambda: 2000.0, lambda _done, _all: None)
        self.left, self.postponed = moving.left, moving.postponed
        source.close()
        return lines

    def lies_in(self, folder: str) -> dict[str, tuple[int, float]]:
        """id → hop, created."""
        shard = self.shard(folder)
        found = {
            one.id: (one.hop, kept.envelope.created)
            for number in shard.to_recover
            for kept in shard.recover(number)
            for one in kept.recipients
        }
        shard.close()
        return found

    def mark(self, folder: str) -> Mark | None:
        shard = self.shard(folder)
        for number in shard.to_recover:
            shard.recover(number)
        shard.close()
        return shard.marks.get(ID)


def test_a_message_that_is_here_only_ends_in_the_folder() -> None:
    spools = Spools()
    spools.put(OURS, hop=2)
    spools.put(DEAD, hop=1)
    assert [line.fate for line in spools.run()] == [Fate.DUPLICATE]
    assert (spools.lies_in(NEW), spools.lies_in(DEAD)) == ({}, {})


def test_of_a_copy_with_a_lower_number_here_the_one_here_stays() -> None:
    """We had offered it to the node that died; it had taken it, and we never heard."""
    spools = Spools()
    spools.put(OURS, marks=[Mark(ID, 1000.0, State.OFFERED, 0, "dead", 1500.0)])
    spools.put(DEAD, hop=1)
    assert [line.fate for line in spools.run()] == [Fate.DUPLICATE]
    assert list(spools.lies_in(OURS)) == [ID]


def test_a_message_that_was_delivered_here_under_a_mark_is_not_taken_again() -> None:
    spools = Spools()
    spools.remember(OURS, Mark(ID, 1000.0, State.FINISHED, 4, "", 1900.0, (4,)))
    spools.put(DEAD, hop=3)
    assert [line.fate for line in spools.run()] == [Fate.DUPLICATE]


def test_a_message_that_we_handed_to_the_node_comes_back() -> None:
    spools = Spools()
    spools.remember(OURS, Mark(ID, 1000.0, State.HANDED, 1, "dead", 1900.0, (), owes=True))
    spools.put(DEAD, hop=1)
    assert [line.fate for line in spools.run()] == [Fate.TAKEN]
    assert spools.lies_in(NEW) == {ID: (2, 1000.0)}


def test_another_message_with_the_same_id_gets_a_new_one_and_always_the_same() -> None:
    spools = Spools()
    spools.put(OURS, created=500.0)
    spools.put(DEAD)
    (line,) = spools.run()
    assert line == Taken(ID, another_id(ID, 1000.0, 1), Fate.TAKEN)
    assert spools.lies_in(NEW) == {line.new_id: (1, 1000.0)}
    assert line.new_id != ID
    assert line.new_id[:13] == ID[:13]

    spools.put(DEAD)  # as if the run had been broken off before the folder knew
    assert [line.fate for line in spools.run()] == [Fate.DUPLICATE]


def test_a_message_that_a_third_node_may_have_is_offered_there_first() -> None:
    spools = Spools()
    spools.put(DEAD, marks=[Mark(ID, 1000.0, State.OFFERED, 0, "n3", 1500.0)])
    spools.run()
    mark = spools.mark(NEW)
    assert mark is not None
    assert (mark.state, mark.node) == (State.OFFERED, "n3")


def test_a_message_that_was_on_its_way_to_us_and_never_came_just_stays() -> None:
    spools = Spools()
    spools.put(DEAD, marks=[Mark(ID, 1000.0, State.OFFERED, 0, "n1", 1500.0)])
    spools.run()
    mark = spools.mark(NEW)
    assert mark is not None
    assert (mark.state, mark.hop, mark.awaits) == (State.HELD, 1, ())  # the folder's word is said: nobody is waited for


def test_what_the_dead_node_remembered_is_remembered_here() -> None:
    spools = Spools()
    spools.remember(DEAD, Mark(ID, 1000.0, State.FINISHED, 1, "", 1900.0, (1,)))
    spools.run()
    mark = spools.mark(NEW)
    assert mark is not None
    assert mark.state is State.FINISHED
    assert spools.mark(DEAD) is None


def test_a_message_whose_body_is_gone_stays_where_it_is_and_is_named() -> None:
    spools = Spools()
    dead = spools.shard(DEAD)
    file = dead.create_body("gone.body")
    recipient = Recipient(ID, "b@y.test", "default", "y.test")
    dead.write([(Transaction(Envelope(1000.0, "a@x.test", 5), (recipient,), b"head", (), "gone.body"), file)], [])
    dead.drop_body("gone.body")
    dead.close()

    (line,) = spools.run()

    assert (line.fate, spools.left) == (Fate.UNREADABLE, 1)
    assert list(spools.lies_in(DEAD)) == [ID]
    assert spools.lies_in(NEW) == {}


@pytest.mark.parametrize(("is_durable", "fate"), [(True, Fate.DUPLICATE), (False, Fate.TAKEN)])
def test_a_copy_that_another_thread_takes_just_now_is_met_again(is_durable: bool, fate: Fate) -> None:
    spools = Spools()
    spools.put(DEAD)
    target = spools.shard(NEW)
    landing = Landing(target, {}, "n1")
    other = Recipient(ID, "b@y.test", "default", "y.test")  # of another shard of the folder

    assert landing.claim(other, 1000.0) == ID
    assert spools.run_into(landing) == []
    assert spools.postponed == 1

    (landing.landed if is_durable else landing.give_up)([ID])
    assert [one.fate for one in spools.run_into(landing)] == [fate]
    assert spools.postponed == 0
    target.close()
