"""Message ids: XX/YY-DDDDD-HHHHHHHH, of which no two are the same in a cluster."""

from pathlib import Path

import pytest

from momentum_node.spool.disk import RealDisk
from momentum_node.spool.message import COUNTER_LIMIT, START_MODULUS, IdSource, next_start
from momentum_node.spool.store import Store


def test_an_id_tells_node_start_and_shard() -> None:
    ids = IdSource(0x1234, 15, START_MODULUS + 42)
    assert [ids.next(), ids.next()] == ["12/34-00042-F0000000", "12/34-00042-F0000001"]


def test_nodes_shards_and_starts_share_none() -> None:
    sources = [IdSource(node, shard, start) for node in (1, 256) for shard in (0, 15) for start in (7, 8)]
    assert len({source.next() for source in sources for _ in range(3)}) == 3 * len(sources)


@pytest.mark.parametrize(("stored", "minutes", "start"), [(None, 50, 50), (50, 50, 51), (80, 50, 81), (10, 50, 50)])
def test_a_start_number_is_never_used_again(stored: int | None, minutes: int, start: int) -> None:
    """Also when the clock goes back, and when the file that keeps it is lost."""
    assert next_start(stored, minutes) == start


async def test_a_shard_that_has_used_up_its_counter_starts_anew(tmp_path: Path) -> None:
    store = Store(RealDisk(), str(tmp_path / "shard-00"), 0, on_unreadable=lambda found: pytest.fail(str(found)))
    await store.open(1)
    before = store.new_id()
    assert store._ids is not None
    store._ids._count = COUNTER_LIMIT
    after = store.new_id()
    await store.close()
    assert after[-8:] == before[-8:] == "00000000"
    assert int(after[6:11]) == (int(before[6:11]) + 1) % START_MODULUS
