"""What lives in each segment is counted as it comes and goes, not summed up for each commit."""

from itertools import count

from momentum_node.spool.message import Envelope, Outcome, Recipient, Result, Transaction
from momentum_node.spool.shard import Shard
from tests.support.disk import SimulatedDisk


def shard(disk: SimulatedDisk) -> Shard:
    salts = count(1)
    made = Shard(
        disk,
        "/spool/shard-00",
        salt=lambda: next(salts).to_bytes(8, "big"),
        on_unreadable=lambda _found: None,
        segment_bytes=16384,
    )
    made.open()
    return made


def is_counted_right(shard: Shard) -> bool:
    return all(
        segment.live_bytes == sum(entry.place.payload_size for entry in segment.live.values())
        for segment in shard._segments.values()
    )


def message(number: int) -> Transaction:
    recipients = tuple(Recipient(f"{number}.{one}", "b@y.test", "default", "y.test") for one in range(1 + number % 2))
    return Transaction(Envelope(0.0, "a@x.test", 500), recipients, b"x" * 500)


def test_the_count_is_right_while_messages_come_go_and_are_moved_and_after_a_start() -> None:
    disk = SimulatedDisk()
    first = shard(disk)
    first.finish_recovery()
    for number in range(150):
        first.write([(message(number), None)], [])
        if number >= 5 and number % 10:  # one in ten stays, so that old segments are worth emptying
            gone = number - 5
            first.write([], [Outcome(one.id, Result.DELIVERED) for one in message(gone).recipients])
        assert is_counted_right(first)
    numbers = sorted(first._segments)
    assert numbers[0] > 0, "nothing was moved, or removed"
    first.close()

    again = shard(disk)
    assert sum(len(again.recover(number)) for number in again.to_recover) > 10
    assert is_counted_right(again)
    assert sum(segment.live_bytes for segment in again._segments.values()) > 5000
