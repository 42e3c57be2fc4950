"""The addresses we hold in the kernel, each for a short lifetime that we renew: the kernel removes what nobody renews.

    lifetime   2 s up to 512 held addresses, 10 s above (a renewal of 10,240 costs 370 ms); renewed at a quarter of it
    late rule  a renewal that comes after the lifetime ran out re-creates the address, although somebody else may have
               it by now. Looking at the clock first cannot close the gap between look and call; looking again after the
               call can: if more than half a lifetime passed, the caller removes everything at once (failover §7)

Never touches an address that is not ours: what is added must be new or carry our mark, what is deleted must be held.
"""

import errno
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from momentum_node.duravip.journal import Entry, PlumbJournal
from momentum_node.duravip.records import AUTOMATIC
from momentum_node.duravip.rtnetlink import (
    BATCH,
    PROTOCOL_MARK,
    AddressDeleted,
    InterfaceAddress,
    Link,
    Request,
    RouteSocket,
    delete_address,
    new_address,
)

SHORT_S, LONG_S, SHORT_LIMIT = 2, 10, 512
GONE: Final = frozenset({errno.EADDRNOTAVAIL, errno.ENODEV})
"""What a delete answers when there is nothing to delete: the address, or its whole interface, went before us."""


class LateRenewal(Exception):
    """More than half a lifetime passed around a renewal: what was renewed may have been somebody else's already."""


@dataclass(slots=True)
class Held:
    """One address we put there.

    `missing`: the kernel does not have it, and does not take it back. `leaving`: it did not delete it when asked, and
    we do not renew it any more.
    """

    interface: str
    entry: InterfaceAddress
    missing: bool = False
    leaving: bool = False
    renewal: tuple[int, Request] | None = None

    def renewed(self, lifetime: int) -> Request:
        """The request that renews it; thousands are made anew several times in a lease."""
        if self.renewal is None or self.renewal[0] != lifetime:
            self.renewal = lifetime, new_address(self.entry, lifetime, exclusive=False)
        return self.renewal[1]


@dataclass(frozen=True, slots=True)
class Turned:
    """A held address went missing (`error` = why it cannot be put back) or came back (0)."""

    interface: str
    address: bytes
    error: int


class Leases:
    """The table of held addresses, in step with the kernel."""

    def __init__(self, route: RouteSocket, journal: PlumbJournal, clock: Callable[[], float]) -> None:
        self._route = route
        self._journal = journal
        self._clock = clock
        self._held: dict[bytes, Held] = {}
        self._setting = AUTOMATIC
        self._shortest = SHORT_S  # the shortest lifetime that an address in the kernel may have now
        self._due: float | None = None

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, address: object) -> bool:
        return address in self._held

    def held(self) -> list[Held]:
        """What we hold, in the order it came."""
        return list(self._held.values())

    def interface_of(self, address: bytes) -> str | None:
        """Where it is held; None = it is not."""
        held = self._held.get(address)
        return held.interface if held else None

    @property
    def patience_s(self) -> float:
        """Half a lifetime: the longest pause after which everything is still surely ours."""
        return (self._shortest or SHORT_S) / 2

    def set_lifetime(self, seconds: int) -> None:
        """`AUTOMATIC`, 0 = addresses stay until they are deleted, or a number of seconds; from the next renewal on."""
        self._setting = seconds
        self._shortest = SHORT_S
        self._due = self._clock() if self._held else None

    def clean(self, links: Iterable[Link]) -> int:
        """Remove what an earlier run left: all that carries our mark, or on an old kernel all that the journal names.

        Raises `OSError` when something of it cannot be removed; how many otherwise.
        """
        names = {link.index: link.name for link in links}
        left: set[Entry] = set() if _keeps_marks() else self._journal.left()
        ours = [
            entry
            for entry in self._route.addresses()
            if entry.mark == PROTOCOL_MARK or (names.get(entry.index), entry.address, entry.prefix_length) in left
        ]
        for entry, error in zip(ours, self._route.execute([delete_address(entry) for entry in ours]), strict=True):
            if error and error not in GONE:
                raise OSError(error, f"an address of an earlier run cannot be removed from {names.get(entry.index)}")
        self._journal.clear()
        return len(ours)

    def add(self, wanted: Sequence[tuple[str, InterfaceAddress]]) -> list[int]:
        """Put (interface, address) pairs there; the errno of each, 0 = it is there and ours.

        EEXIST: this host has the address already, and not from us. EBUSY: we hold it elsewhere or with another length.
        """
        free = [pair for pair in wanted if self._holds(pair[1].address) in (None, pair[1])]
        added = dict(zip((entry for _, entry in free), self._add(free), strict=True))
        return [added.get(entry, errno.EBUSY) for _, entry in wanted]

    def _add(self, wanted: Sequence[tuple[str, InterfaceAddress]]) -> list[int]:
        lifetime = self._lifetime(len(self._held) + len(wanted))
        self._journal.adding((name, entry.address, entry.prefix_length) for name, entry in wanted)
        errors = self._route.execute([new_address(entry, lifetime, exclusive=True) for _, entry in wanted])
        if errno.EEXIST in errors:
            errors = self._adopt(wanted, errors, lifetime)
        for (name, entry), error in zip(wanted, errors, strict=True):
            if not error:
                self._held[entry.address] = Held(name, entry)
        if self._due is None:
            self._due, self._shortest = self._clock() + lifetime / 4, lifetime
        self._shortest = min(self._shortest, lifetime)
        return errors

    def _holds(self, address: bytes) -> InterfaceAddress | None:
        held = self._held.get(address)
        return held.entry if held else None

    def remove(self, addresses: Sequence[bytes]) -> list[int]:
        """Delete what is held of `addresses`; the errno of each, 0 = the kernel does not have it (any more).

        What cannot be deleted is no longer renewed, and can be removed again.
        """
        leaving = [self._held[address] for address in addresses if address in self._held]
        errors = self._route.execute([delete_address(held.entry) for held in leaving])
        refused: dict[bytes, int] = {}
        for held, error in zip(leaving, errors, strict=True):
            if error and error not in GONE:
                held.leaving, refused[held.entry.address] = True, error
            else:
                self._held.pop(held.entry.address, None)
        gone = [held for held in leaving if held.entry.address not in refused]
        self._journal.removed((held.interface, held.entry.address, held.entry.prefix_length) for held in gone)
        if not self._held:
            self._due = None
        return [refused.get(address, 0) for address in addresses]

    def next_renewal(self) -> float | None:
        """When to call `renew`; None = nothing to renew."""
        return self._due if self._held and self._shortest else None

    def renew(self, since: float) -> list[Turned]:
        """Renew everything; `since` = when the caller last knew that no lifetime had run out.

        Raises `LateRenewal` as soon as half a lifetime passed since then.
        """
        patience, lifetime = self.patience_s, self._lifetime(len(self._held))
        turned: list[Turned] = []
        everything = [held for held in self.held() if not held.leaving]
        for start in range(0, len(everything), BATCH):
            batch = everything[start : start + BATCH]
            errors = self._route.execute([held.renewed(lifetime) for held in batch])
            if self._clock() - since > patience:
                raise LateRenewal
            turned += [turn for held, error in zip(batch, errors, strict=True) if (turn := _turn(held, error))]
        self._shortest = lifetime
        self._due = since + lifetime / 4
        return turned

    def deleted(self, events: Sequence[AddressDeleted]) -> list[Turned]:
        """Put back what somebody else deleted (failover R11). One whose place a foreign address took is let go."""
        lost = [held for event in events if (held := self._held.get(event.address)) and _is_lost(held, event)]
        return self._restore(lost)

    def look(self) -> list[Turned]:
        """Compare everything with the kernel: for when events were lost, and now and then.

        What the kernel has and does not use is taken away and put there anew (failover R14); what carries our mark and
        is not held goes, for nobody would ever give it up.
        """
        entries = self._route.addresses()
        self._drop_refused(entries)
        self._drop_strays(entries)
        present = {_place(entry) for entry in entries if not entry.is_refused}
        return self._restore([held for held in self.held() if _place(held.entry) not in present and not held.leaving])

    def _restore(self, lost: Sequence[Held]) -> list[Turned]:
        lifetime = self._lifetime(len(self._held))
        errors = self._route.execute([new_address(held.entry, lifetime, exclusive=True) for held in lost])
        foreign = self._foreign() if errno.EEXIST in errors else set()
        turned: list[Turned] = []
        for held, error in zip(lost, errors, strict=True):
            if error != errno.EEXIST:
                held.missing = held.missing or not error  # one that is put back counts, whether it was reported or not
                turned += [turn] if (turn := _turn(held, error)) else []
            elif held.entry.address in foreign:
                self._held.pop(held.entry.address, None)
                turned.append(Turned(held.interface, held.entry.address, error))
        return turned

    def _adopt(self, wanted: Sequence[tuple[str, InterfaceAddress]], errors: list[int], lifetime: int) -> list[int]:
        """What exists already is renewed if we hold it or it carries our mark; else it stays EEXIST."""
        entries = self._route.addresses()
        self._drop_refused(entries)
        ours = {_place(entry): entry for entry in entries if self._is_ours(entry)}
        again = [
            entry
            for (_, entry), error in zip(wanted, errors, strict=True)
            if error == errno.EEXIST and _place(entry) in ours
        ]
        renewed = self._route.execute(
            [new_address(entry, lifetime, exclusive=ours[_place(entry)].is_refused) for entry in again]
        )
        results = dict(zip(again, renewed, strict=True))
        return [results.get(entry, error) for (_, entry), error in zip(wanted, errors, strict=True)]

    def _is_ours(self, entry: InterfaceAddress) -> bool:
        held = self._holds(entry.address)
        return entry.mark == PROTOCOL_MARK or (held is not None and _place(held) == _place(entry))

    def _drop_refused(self, entries: Iterable[InterfaceAddress]) -> None:
        """Delete what is ours and of no use there, so that it can be added anew."""
        refused = [entry for entry in entries if entry.is_refused and self._is_ours(entry)]
        if refused:
            self._route.execute([delete_address(entry) for entry in refused])

    def _drop_strays(self, entries: Iterable[InterfaceAddress]) -> None:
        known = {_place(held.entry) for held in self.held()}
        strays = [e for e in entries if e.mark == PROTOCOL_MARK and not e.is_refused and _place(e) not in known]
        if strays:
            self._route.execute([delete_address(entry) for entry in strays])

    def _foreign(self) -> set[bytes]:
        if not _keeps_marks():  # nobody can tell: what we put there is taken for ours
            return set()
        return {entry.address for entry in self._route.addresses() if entry.mark != PROTOCOL_MARK}

    def _lifetime(self, count: int) -> int:
        if self._setting == AUTOMATIC:
            return SHORT_S if count <= SHORT_LIMIT else LONG_S
        return self._setting


def _place(entry: InterfaceAddress) -> tuple[int, bytes, int]:
    return entry.index, entry.address, entry.prefix_length


def _turn(held: Held, error: int) -> Turned | None:
    if held.missing == bool(error):
        return None
    held.missing = bool(error)
    return Turned(held.interface, held.entry.address, error)


def _is_lost(held: Held, event: AddressDeleted) -> bool:
    entry = held.entry
    return not held.leaving and (entry.index, entry.prefix_length) == (event.index, event.prefix_length)


def _keeps_marks() -> bool:
    """IFA_PROTO exists since Linux 5.18."""
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int("".join(filter(str.isdigit, minor)) or 0)) >= (5, 18)
