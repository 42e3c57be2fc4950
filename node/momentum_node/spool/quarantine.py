"""What the spool could not read and kept: `shard-NN/quarantine/`, raw bytes or whole segments.

A piece is `SEGMENT-START.raw`, the bytes of one record or of a damaged region, or `SEGMENT.seg`. Retrying one puts its
mail back into the shard when it can be read now (another version of the program, a repaired disk); the worker of that
shard must be stopped, because a shard has one writer.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from momentum_node.errors import SpoolError
from momentum_node.spool.disk import RealDisk
from momentum_node.spool.message import Transaction
from momentum_node.spool.records import decode_transaction
from momentum_node.spool.recovery import BODIES, SEGMENT_SUFFIX
from momentum_node.spool.segment import Damage, decode_header, scan
from momentum_node.spool.shard import Shard

FOLDER: Final = "quarantine"


@dataclass(frozen=True, slots=True)
class Piece:
    """One quarantined file. `name` is `SHARD/FILE`, as the commands take it."""

    name: str
    path: Path
    size: int
    since: float  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class Readable:
    """A transaction that can be read in a piece."""

    transaction: Transaction
    sender: str
    recipients: tuple[str, ...]


def pieces(base: Path) -> Iterator[Piece]:
    """Everything in quarantine under a spool folder, by name."""
    for path in sorted(base.glob(f"shard-[0-9][0-9]/{FOLDER}/*")):
        status = path.stat()
        yield Piece(f"{path.parent.parent.name}/{path.name}", path, status.st_size, status.st_mtime)


def piece(base: Path, name: str) -> Piece:
    """One by its name. Raises `SpoolError` when there is none."""
    found = next((one for one in pieces(base) if one.name == name), None)
    if found is None:
        raise SpoolError(f"{name}: nothing of that name is in quarantine (see `spool quarantine list`)")
    return found


def contents(one: Piece) -> list[Readable]:
    """The mail that can be read in it now; empty when none can. Raises `OSError`."""
    data = one.path.read_bytes()
    found: list[Readable] = []
    for payload in _payloads(data, one.path.suffix == SEGMENT_SUFFIX):
        try:
            read = decode_transaction(payload)
        except SpoolError:
            continue
        content = payload[read.content_at :]
        transaction = Transaction(
            read.envelope,
            read.recipients,
            content[: read.head_size],
            (content[read.head_size :],),
            read.body_file,
            read.completes,
        )
        found.append(Readable(transaction, read.envelope.sender, tuple(to.address for to in read.recipients)))
    return found


def _payloads(data: bytes, is_segment: bool) -> Iterator[bytes]:
    if not is_segment:
        yield data
        return
    try:
        header = decode_header(data)
    except SpoolError:
        return
    yield from (record.payload for record in scan(data, header) if not isinstance(record, Damage))


def retry(one: Piece) -> int:
    """Put the mail of a piece back into its shard, and remove the piece; returns how many transactions.

    Raises `SpoolError` when nothing can be read, a body is missing, or the shard is in use; the piece stays then.
    """
    readable = contents(one)
    if not readable:
        raise SpoolError(f"{one.name}: still not readable")
    folder = one.path.parent.parent
    for found in readable:
        body = found.transaction.body_file
        if body is not None and not (folder / BODIES / body).exists():
            raise SpoolError(f"{one.name}: the body {body} of <{found.sender}>'s message is gone")
    shard = Shard(RealDisk(), str(folder), salt=lambda: secrets.token_bytes(8), on_unreadable=lambda _found: None)
    shard.open()
    try:
        shard.write([(found.transaction, None) for found in readable], [])
    finally:
        shard.close()
    drop(one)
    return len(readable)


def drop(one: Piece) -> None:
    """Remove a piece for good."""
    one.path.unlink()
    RealDisk().sync_directory(str(one.path.parent))
