"""The shards of one worker: its own, and those of workers that there are no more, or of an import that is over.

Each shard is a folder with a lock; whoever has the lock is its one writer. Folders are dealt out by their number.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Final, TypeAlias

from momentum_node import log
from momentum_node.errors import SpoolError
from momentum_node.garbage import nothing_is_garbage
from momentum_node.spool.disk import RealDisk
from momentum_node.spool.message import Message
from momentum_node.spool.recovery import BODIES, Unreadable
from momentum_node.spool.store import Store

LOCK_RETRY_S: Final = 0.2
LOOK_S: Final = 2.0  # for folders that were not there before
Spawn: TypeAlias = Callable[[Coroutine[object, object, None]], object]


class Shards:
    """`own` is written to; `stores` has every shard that is open."""

    def __init__(self, base: Path, index: int, workers: int) -> None:
        self._base = base
        self._index = index
        self._workers = workers
        self._is_synced = True
        self._met: dict[int, Store] = {}
        self._needed: set[int] = set()
        self._given_up: list[Store] = []
        self.stores: dict[int, Store] = {}
        self.own = self._make(index)

    def set_sync(self, is_synced: bool) -> None:
        """`Force_Fsync`, of all of them."""
        self._is_synced = is_synced
        for store in self._met.values():
            store.set_sync(is_synced)

    async def open(
        self, node_id: int, on_message: Callable[[Message], None], spawn: Spawn, is_used: Callable[[int], bool]
    ) -> None:
        """Open our own. In tasks that `spawn` makes: open the others, hand over what is found in any of them; let go of
        those that are done with, unless one `is_used` for mail that moves."""
        self._node_id, self._on_message, self._spawn, self._is_used = node_id, on_message, spawn, is_used
        await self._open(self.own)
        spawn(self._look_for_more())

    def need(self, shard: int) -> None:
        """Open one that is ours by its number, and make it when there is none: what moves keeps the number of its
        shard. Nothing happens before our own is open."""
        is_ours = shard % self._workers == self._index
        self._needed.add(shard)
        if is_ours and shard not in self._met and self._index in self.stores:
            self._spawn(self._open(self._make(shard)))

    def all(self) -> Iterator[Store]:
        """Every one that is or was open, and our own also when it is not yet."""
        yield self.own
        yield from (store for store in self.stores.values() if store is not self.own)
        yield from self._given_up

    async def close(self) -> None:
        """Write what waits, and let go."""
        for store in self.stores.values():
            await store.close()

    def _make(self, shard: int) -> Store:
        folder = str(self._base / f"shard-{shard:02d}")
        made = Store(RealDisk(), folder, shard, on_unreadable=_unreadable, sync=self._is_synced)
        self._met[shard] = made
        return made

    async def _look_for_more(self) -> None:
        while True:
            for path in sorted(self._base.glob("shard-[0-9][0-9]")):
                shard = int(path.name[6:])
                is_ours = shard >= self._workers and shard % self._workers == self._index
                if is_ours and shard not in self._met and _has_something(path):
                    self._spawn(self._open(self._make(shard)))
            for shard, store in list(self.stores.items()):
                if shard >= self._workers and store.is_spent and not self._must_stay(shard):
                    await self._give_up(shard)
            await asyncio.sleep(LOOK_S)

    def _must_stay(self, shard: int) -> bool:
        return shard in self._needed or self._is_used(shard)

    async def _give_up(self, shard: int) -> None:
        """There are sixteen, and the next import needs one that nobody has."""
        store = self.stores.pop(shard)
        del self._met[shard]
        self._given_up.append(store)
        try:
            await store.give_up()
        except OSError as error:
            log.logger().error("a shard of the spool that is done with cannot be removed", reason=str(error))

    async def _open(self, store: Store) -> None:
        """As soon as its lock is free."""
        reason = None
        while store.index not in self.stores:
            try:
                await store.open(self._node_id)
            except (OSError, SpoolError) as error:
                if str(error) != reason:
                    reason = str(error)
                    log.logger().error("a shard of the spool cannot be opened yet", reason=reason)
                await asyncio.sleep(LOCK_RETRY_S)
            else:
                self.stores[store.index] = store
                self._spawn(self._recover(store))

    async def _recover(self, store: Store) -> None:
        with nothing_is_garbage():
            failed = await store.recover(self._on_message)
        for number, error in failed:
            log.logger().critical("a segment cannot be read; it stays", segment=number, reason=str(error))


def _has_something(folder: Path) -> bool:
    """Mail, or what an import that was killed had copied."""
    return any(folder.glob("*.seg")) or any(folder.glob(f"{BODIES}/*"))


def _unreadable(found: Unreadable) -> None:
    log.logger().critical(
        "a part of the spool cannot be read and is kept in quarantine",
        segment=found.segment,
        start=found.start,
        end=found.end,
        reason=found.reason,
    )
