"""A word that says nothing and comes back: what members said before it is here by then (agreed order).

    ECHO    [ 1, "ECHO", number ]       msgpack; for its sender only, all others pass over it

Who is about to plumb an address sends one when nobody has answered for it. While the ring stands still it does not come
back, and nor would a witness's word that somebody does have the address (failover F14, F15).
"""

import asyncio
import random
from collections.abc import Callable

import msgpack

from momentum_node.errors import BusError

_HEAD = bytes(msgpack.packb([1, "ECHO", 0]))[:-1]


def echo(number: int) -> bytes:
    """The word."""
    return bytes(msgpack.packb([1, "ECHO", number]))


def is_echo(data: bytes) -> bool:
    """Whether a message of the group is one, by its head."""
    return data.startswith(_HEAD)


class RoundTrips:
    """Those of one member. Who asks in the same turn of the loop shares one word."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._number = random.getrandbits(62)  # unlike those of an earlier process with our pid
        self._next: asyncio.Future[None] | None = None
        self._under_way: dict[bytes, asyncio.Future[None]] = {}

    async def make(self) -> None:
        """Returns when a word that is said after this call has come back: never, if the membership ends before."""
        if self._next is None:
            loop = asyncio.get_running_loop()
            self._next = loop.create_future()
            loop.call_soon(self._say)
        await asyncio.shield(self._next)

    def came(self, data: bytes) -> None:
        """One of our own is back."""
        if (waiting := self._under_way.pop(data, None)) is not None and not waiting.done():
            waiting.set_result(None)

    def membership_ended(self) -> None:
        """What is under way comes back to nobody."""
        self._under_way.clear()

    def _say(self) -> None:
        waiting, self._next = self._next, None
        self._number += 1
        word = echo(self._number)
        if waiting is not None:
            self._under_way[word] = waiting
        try:
            self._send(word)
        except BusError:  # the membership ends: everything is given up, also what waits for this
            self._under_way.pop(word, None)
