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
        self._next: list[asyncio.Future[None]] = []
        self._under_way: dict[bytes, list[asyncio.Future[None]]] = {}

    def make(self) -> "asyncio.Future[None]":
        """Done when a word that is said after this call has come back: never, if the membership ends before."""
        loop = asyncio.get_running_loop()
        if not self._next:
            loop.call_soon(self._say)
        back: asyncio.Future[None] = loop.create_future()
        self._next.append(back)
        return back

    def came(self, data: bytes) -> None:
        """One of our own is back."""
        for back in self._under_way.pop(data, ()):
            if not back.done():
                back.set_result(None)

    def membership_ended(self) -> None:
        """What is under way comes back to nobody."""
        self._under_way.clear()

    def _say(self) -> None:
        self._number += 1
        word = echo(self._number)
        self._under_way[word], self._next = self._next, []
        try:
            self._send(word)
        except BusError:  # the membership ends: everything is given up, also what waits for this
            self._under_way.pop(word, None)
