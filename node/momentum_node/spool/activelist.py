"""The messages of a queue that are to be delivered now, first come, first served, and the old ones among them. Pure.

They lie in pieces of at most `PIECE`; each piece, and the whole, has a bound: no message in it was made before that.
So who asks for old messages looks into the pieces that may have some, and there may be a million behind a young head.
A bound may be lower than need be when an old message was taken from the head; a look into the piece puts it right.
"""

import math
from collections.abc import Iterator
from typing import Final

from momentum_node.spool.message import Message
from momentum_node.spool.waiting import Waiting

PIECE: Final = 512


class _Piece:
    __slots__ = ("bound", "messages")

    def __init__(self, message: Message) -> None:
        self.messages = [message]
        self.bound = message.envelope.created

    @property
    def has_room(self) -> bool:
        return len(self.messages) < PIECE

    def take_older(self, before: float, most: int) -> list[Message]:
        """In their order. The bound is exact afterwards, unless `most` was too little."""
        old = [one for one in self.messages if one.envelope.created <= before]
        if len(old) > most:
            del old[most:]
            gone = set(old)
            self.messages = [one for one in self.messages if one not in gone]
        else:
            self.messages = [one for one in self.messages if one.envelope.created > before]
            self.bound = min((one.envelope.created for one in self.messages), default=math.inf)
        return old


class ActiveList:
    """As a deque of messages; `take_older` besides. `total`: they count there too."""

    __slots__ = ("_bound", "_count", "_pieces", "_total")

    def __init__(self, total: Waiting | None = None) -> None:
        self._pieces: list[_Piece] = []
        self._total = total or Waiting()
        self._count = 0
        self._bound = math.inf

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Message]:
        for piece in self._pieces:
            yield from piece.messages

    @property
    def first(self) -> Message:
        """The next one. There must be one, here and in the other methods that give one."""
        return self._pieces[0].messages[0]

    @property
    def last(self) -> Message:
        """That came last."""
        return self._pieces[-1].messages[-1]

    def append(self, message: Message) -> None:
        """Behind all others."""
        if self._pieces and self._pieces[-1].has_room:
            self._pieces[-1].messages.append(message)
        else:
            self._pieces.append(_Piece(message))
        self._heed(self._pieces[-1], message)

    def appendleft(self, message: Message) -> None:
        """Before all others."""
        if self._pieces and self._pieces[0].has_room:
            self._pieces[0].messages.insert(0, message)
        else:
            self._pieces.insert(0, _Piece(message))
        self._heed(self._pieces[0], message)

    def popleft(self) -> Message:
        """The next one is taken out."""
        piece = self._pieces[0]
        message = piece.messages.pop(0)
        self._count -= 1
        self._total.active -= 1
        if not piece.messages:
            del self._pieces[0]
        return message

    def clear(self) -> None:
        """Take all of them out."""
        self._total.active -= self._count
        self._pieces, self._count, self._bound = [], 0, math.inf

    def take_older(self, before: float, most: int) -> list[Message]:
        """Take out what was made at `before` or earlier, wherever it stands: at most `most` messages, in their order.

        `before`: seconds since the epoch. Costs nothing while no message is that old.
        """
        if self._bound > before:
            return []
        taken: list[Message] = []
        for piece in self._pieces:
            if piece.bound <= before and len(taken) < most:
                taken += piece.take_older(before, most - len(taken))
        self._pieces = [piece for piece in self._pieces if piece.messages]
        self._count -= len(taken)
        self._total.active -= len(taken)
        self._bound = min((piece.bound for piece in self._pieces), default=math.inf)
        return taken

    def _heed(self, piece: _Piece, message: Message) -> None:
        self._count += 1
        self._total.active += 1
        created = message.envelope.created
        if created < piece.bound:  # noqa: PLR1730 - for each message, and min() costs more than all else here
            piece.bound = created
        if created < self._bound:  # noqa: PLR1730
            self._bound = created
