"""A shard as a node left it when it ended: messages that wait, some of them tried before."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from momentum_node.spool.disk import RealDisk
from momentum_node.spool.message import Envelope, Outcome, Recipient, Result, Transaction
from momentum_node.spool.shard import Shard

RETRIES = 3
NODE = 7


@dataclass(frozen=True)
class Stay:
    """A message to b@y.test; with `next_attempt` it was tried `RETRIES` times."""

    subject: str
    created: float
    next_attempt: float | None = None


def stored(folder: Path, stays: Iterable[Stay]) -> list[str]:
    """Write them into the shard `folder`, in this order. Their ids."""
    shard = Shard(
        RealDisk(), str(folder), salt=lambda: secrets.token_bytes(8), on_unreadable=lambda _found: None, sync=False
    )
    shard.open()
    source = shard.start(NODE, int(folder.name[6:]), 29_000_000)
    ids = []
    for stay in stays:
        content = f"Subject: {stay.subject}\r\nFrom: <a@x.test>\r\n\r\nhello\r\n".encode()
        id_ = str(source.next())
        recipient = Recipient(id_, "b@y.test", "default", "y.test")
        shard.write([(Transaction(Envelope(stay.created, "a@x.test", len(content)), (recipient,), content), None)], [])
        if stay.next_attempt is not None:
            shard.write([], [Outcome(id_, Result.RETRY, RETRIES, stay.next_attempt)])
        ids.append(id_)
    shard.close()
    return ids
