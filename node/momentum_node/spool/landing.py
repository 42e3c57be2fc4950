"""Our side of an import: the one shard that everything goes into, and who of its threads may take which message.

A message is claimed before it is copied, and the claim ends when the copy is durable. Another copy of it that a second
thread meets meanwhile is neither taken nor dropped: what becomes of the first one is not known yet.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from threading import Lock

from momentum_node.errors import SpoolError
from momentum_node.spool.disk import File
from momentum_node.spool.marks import Mark, Verdict, judge, taken
from momentum_node.spool.message import Outcome, Recipient, Transaction
from momentum_node.spool.shard import Shard

MOST_IDS = 1000


class Landing:
    """`shard`: open, and nobody else's. `known`: marks of all messages of our spool; it grows with the import.

    `node`: our name. Any thread may call.
    """

    def __init__(self, shard: Shard, known: dict[str, Mark], node: str) -> None:
        self.node = node
        self._shard = shard
        self._known = known
        self._claims: set[str] = set()
        self._claiming = Lock()
        self._writing = Lock()

    # -- which messages

    def claim(self, one: Recipient, created: float) -> str | None:
        """The id under which it is to be taken; "" when it is here already; None: another copy is being taken now."""
        with self._claiming:
            for attempt in range(MOST_IDS):
                id_ = another_id(one.id, created, attempt) if attempt else one.id
                if id_ in self._claims:
                    return None
                verdict = judge(self._known.get(id_), created, one.hop + 1)
                if verdict is Verdict.TAKE:
                    self._known[id_] = taken(id_, created, one.hop + 1)
                    self._claims.add(id_)
                    return id_
                if verdict is not Verdict.RENAME:
                    return ""  # of a copy with a lower hop number the one that lies here stays
        raise SpoolError(f"{one.id}: no free id was found")

    def landed(self, ids: Iterable[str]) -> None:
        """They are durable here."""
        with self._claiming:
            self._claims.difference_update(ids)

    def give_up(self, ids: Iterable[str]) -> None:
        """They cannot be read; another copy may be readable."""
        with self._claiming:
            for id_ in ids:
                self._known.pop(id_, None)
                self._claims.discard(id_)

    def knows(self, id_: str) -> bool:
        """Something is known of it here."""
        return id_ in self._known

    # -- the shard

    def write(
        self,
        transactions: Sequence[tuple[Transaction, File | None]],
        tries: Sequence[Outcome],
        marks: Sequence[Mark],
        now: float,
    ) -> None:
        """See `Shard.write`."""
        with self._writing:
            self._shard.write(transactions, tries, marks, now)

    def mark(self, id_: str) -> Mark | None:
        """What was written of a message that may have another copy."""
        return self._shard.marks.get(id_)

    def new_body(self, name: str) -> File:
        """A file for a large body."""
        try:
            return self._shard.create_body(name)
        except FileExistsError:  # of a run that was broken off before its message was durable
            self._shard.drop_body(name)
            return self._shard.create_body(name)


def another_id(id_: str, created: float, attempt: int) -> str:
    """An id for a message whose own one another message has: always the same one, so that a second run finds it."""
    digest = sha256(f"{id_} {created!r} {attempt}".encode()).digest()
    return f"{id_[:-7]}{int.from_bytes(digest[:4], 'big') & 0xFFFFFFF:07X}"
