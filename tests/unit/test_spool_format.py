"""A shard that a newer version has written is left alone, whole, until a version comes that reads it."""

import json
from pathlib import Path

import pytest

from momentum_node.errors import SpoolError
from momentum_node.spool.disk import RealDisk
from momentum_node.spool.message import Envelope, Recipient, Transaction
from momentum_node.spool.segment import FORMAT, Header, decode_header, encode_header
from momentum_node.spool.store import Store


def store(folder: Path) -> Store:
    return Store(RealDisk(), str(folder), 0, on_unreadable=lambda found: pytest.fail(str(found)))


async def test_a_newer_shard_is_refused_and_nothing_of_it_is_changed(tmp_path: Path) -> None:
    first = store(tmp_path / "shard-00")
    await first.open(1)
    id_ = first.new_id()
    recipient = Recipient(id_, "b@y.test", "default", "y.test")
    first.keep(Transaction(Envelope(0.0, "", 2), (recipient,), b"hi"), None, lambda _: None)
    await first.close()

    state = tmp_path / "shard-00/shard.json"
    ours = state.read_text()
    state.write_text(json.dumps({**json.loads(ours), "format": FORMAT + 1}))
    before = {path: path.read_bytes() for path in (tmp_path / "shard-00").rglob("*") if path.is_file()}
    older = store(tmp_path / "shard-00")
    with pytest.raises(SpoolError, match=f"format {FORMAT + 1}"):
        await older.open(1)
    await older.close()
    assert {path: path.read_bytes() for path in before} == before

    state.write_text(ours)  # the version that was there before is back
    again, found = store(tmp_path / "shard-00"), list[str]()
    await again.open(1)
    await again.recover(lambda message: found.append(message.id))
    assert found == [id_]
    await again.close()


def test_a_newer_segment_is_not_taken_for_a_damaged_one() -> None:
    header = encode_header(Header(1, b"s" * 8, 0, FORMAT + 1))
    with pytest.raises(SpoolError, match="newer"):
        decode_header(header)
