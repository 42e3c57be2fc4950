"""What a shard of the spool must offer to those who hand messages over and take them."""

from collections.abc import Callable, Sequence
from typing import Protocol

from momentum_node.spool.disk import File
from momentum_node.spool.marks import Mark, Verdict
from momentum_node.spool.message import Stored, Transaction


class Spool(Protocol):
    """One shard (`spool.store.Store` is one). Callbacks come once the disk has spoken."""

    index: int

    def judge(self, id_: str, created: float, hop: int) -> Verdict:
        """What to do with a message that another node hands over."""
        ...

    def mark(self, id_: str) -> Mark | None:
        """What is durably known of a message."""
        ...

    def marks(self) -> list[Mark]:
        """All marks in force."""
        ...

    def is_changing(self, id_: str) -> bool:
        """Something of it is being written: what `mark` says may be over in a moment."""
        ...

    def new_id(self) -> str:
        """An id of this shard."""
        ...

    def keep(self, transaction: Transaction, body: File | None, on_kept: Callable[[Stored | None], None]) -> None:
        """Make a transaction durable."""
        ...

    def note(self, marks: Sequence[Mark], on_noted: Callable[[bool], None]) -> None:
        """Make marks durable."""
        ...
