"""Generations and transactions (configuration §12.1, §12.3): how one valid configuration follows another.

A generation never changes. A change makes a draft, a commit loads the draft's text as a node would at its start, and
only what loads becomes the next generation. A transaction that began before somebody else's commit cannot commit.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from momentum_node.config.changes import fixed_options, waiting_for_restart
from momentum_node.config.draft import Draft
from momentum_node.config.files import FileReader
from momentum_node.config.loading import Loaded, load
from momentum_node.config.messages import ConfigurationInvalid
from momentum_node.config.placement import Placement
from momentum_node.config.texts import Recorder, Texts, WritableFiles
from momentum_node.config.tree import Scope
from momentum_node.errors import ConfigurationError

__all__ = ["ConfigurationInvalid", "Generation", "Origin", "Session", "Transaction", "TransactionFault", "first"]


class TransactionFault(ConfigurationError):
    """The state of the session does not allow the command."""


@dataclass(frozen=True, eq=False)
class Origin:
    """Where text comes from: a reader of files (see `files.FileReader`, `texts.WritableFiles`), and the directories in
    which relative includes are looked up."""

    read: FileReader
    search: tuple[str, ...] = ()

    def may_write(self, path: str) -> bool:
        """Whether the disk would take a new content of that file."""
        return isinstance(self.read, WritableFiles) and self.read.writable(path)


@dataclass(frozen=True, eq=False)
class Generation:
    """One valid configuration. `since` is when it was made (seconds, monotonic); `saved` is what the disk had when it
    was read, `texts` what is in force: the two differ by what `writeback` would write."""

    number: int
    since: float
    loaded: Loaded
    texts: Texts
    saved: Texts
    origin: Origin

    @cached_property
    def draft(self) -> Draft:
        """The text of this generation, ready to be changed."""
        return Draft(self.texts, self.origin.search)

    def placement(self, draft: Draft) -> Placement:
        """Changes of a draft of this generation."""
        return Placement(draft, self.origin.may_write)

    @property
    def is_saved(self) -> bool:
        """Whether the disk has all of it."""
        return not self.texts.unsaved and not self.texts.changed_since(self.saved)

    def followed_by(self, texts: Texts, now: float) -> "Generation":
        """The next generation, with changed text. Raises ConfigurationInvalid; then this one stays."""
        loaded = load(texts.entry, texts, search=self.origin.search)
        return replace(self, number=self.number + 1, since=now, loaded=loaded, texts=texts)

    def reloaded(self, main: str | None, now: float) -> "Generation":
        """The next generation, read anew; `main` is another main file. Raises ConfigurationInvalid."""
        return first(main or self.texts.main, self.origin, now, number=self.number + 1)

    def restart_needed(self, before: "Generation") -> tuple[str, ...]:
        """A line for each option that a running node only takes at its next start."""
        return waiting_for_restart(fixed_options(before.loaded.tree), fixed_options(self.loaded.tree))


def first(main: str, origin: Origin, now: float, *, number: int = 1) -> Generation:
    """The generation that the files say. Raises ConfigurationInvalid."""
    recorder = Recorder(origin.read)
    loaded = load(main, recorder, search=origin.search)
    texts = recorder.texts(main)
    return Generation(number, now, loaded, texts, texts, origin)


@dataclass(frozen=True, eq=False)
class Transaction:
    """A private copy. `base` is the generation it was made from, `changes` the commands that changed it."""

    base: Generation
    draft: Draft
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Session:
    """One person at a console: at most one transaction is open."""

    transaction: Transaction | None = None

    def draft(self, generation: Generation) -> Draft:
        """What commands of this session change."""
        return generation.draft if self.transaction is None else self.transaction.draft

    def tree(self, generation: Generation) -> Scope:
        """What commands of this session see."""
        return generation.loaded.tree if self.transaction is None else self.transaction.draft.tree

    # --- the commands of a transaction ---

    def begin(self, generation: Generation, *, from_scratch: bool = False) -> "Session":
        """Open a copy of the generation that runs, or of nothing. Raises TransactionFault."""
        if self.transaction is not None:
            raise TransactionFault("a transaction is open already: `config commit` or `config rollback` ends it")
        if not from_scratch:
            return Session(Transaction(generation, generation.draft))
        main = generation.texts.main
        empty = Texts(main, {main: ""}, marked=generation.texts.marked & {main})
        return Session(Transaction(generation, Draft(empty, generation.origin.search)))

    def changed(
        self, generation: Generation, change: Callable[[Placement], Draft], command: str, now: float
    ) -> "tuple[Session, Generation]":
        """After one change: on the copy, or as a transaction of one step. Raises what the change or the load raises;
        then nothing has changed."""
        draft = change(generation.placement(self.draft(generation)))
        if self.transaction is None:
            return self, generation.followed_by(draft.texts, now)
        grown = replace(self.transaction, draft=draft, changes=(*self.transaction.changes, command))
        return Session(grown), generation

    def open_transaction(self) -> Transaction:
        """The transaction; raises TransactionFault when there is none."""
        if self.transaction is None:
            raise TransactionFault("no transaction is open: `config begin` opens one")
        return self.transaction

    def commit(self, generation: Generation, now: float) -> Generation:
        """What runs next. Raises TransactionFault when somebody committed since `begin`, ConfigurationInvalid when the
        result is not valid; in both cases the copy stays open."""
        transaction = self.open_transaction()
        if generation.number != transaction.base.number:
            raise TransactionFault(
                f"the configuration was changed since `begin`: generation {generation.number} runs since "
                f"{max(0.0, now - generation.since):.0f} s, this transaction began with {transaction.base.number}; "
                "`config replay` lists its changes, `config rollback` drops them"
            )
        return generation.followed_by(transaction.draft.texts, now)
