"""What is known of the tries of a message when its shard is read again: the newest."""

from itertools import count

from momentum_node.spool.message import Envelope, Outcome, Recipient, Result, Transaction
from momentum_node.spool.shard import Shard
from tests.support.disk import SimulatedDisk

FOLDER = "/spool/shard-00"


def shard(disk: SimulatedDisk) -> Shard:
    salts = count(1)
    made = Shard(disk, FOLDER, salt=lambda: next(salts).to_bytes(8, "big"), on_unreadable=lambda _found: None)
    made.open()
    return made


def test_of_two_times_after_one_try_the_later_counts() -> None:
    """The disk did not give the message: it rests, and no try is counted."""
    disk = SimulatedDisk()
    before = shard(disk)
    message = Transaction(Envelope(0.0, "a@x.test", 5), (Recipient("1", "b@y.test", "default", "y.test"),), b"hello")
    before.write([(message, None)], [])
    for retries, next_attempt in ((1, 100.0), (2, 300.0), (2, 360.0)):
        before.write([], [Outcome("1", Result.RETRY, retries, next_attempt)])
    before.close()

    after = shard(disk)
    (kept,) = [kept for number in after.to_recover for kept in after.recover(number)]
    assert (kept.tries["1"].retries, kept.tries["1"].next_attempt) == (2, 360.0)
