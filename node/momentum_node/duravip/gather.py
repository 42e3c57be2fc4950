"""The exchange of states after somebody joined: reports come in until every member's is there (cluster §2.5).

The same messages complete it at the same place for every member. A catalogue counts as known only when everybody has
it: it is the only one that reports name, or it was delivered in this view.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from momentum_node.bus.contract import Member
from momentum_node.config.model import Address
from momentum_node.duravip.catalogue import Catalogue
from momentum_node.duravip.messages import Cleared, Defs, Drain, Envelope, Failed, News, Released, State
from momentum_node.duravip.table import Table, index_of
from momentum_node.duravip.vip import short_name

VIEW_KEY_BYTES = 16


@dataclass(slots=True)
class Report:
    """A member's state, and what it said about its addresses after it."""

    incarnation: int
    state: State
    later: list[News] = field(default_factory=list)


class Gather:
    """One gather of one view; members that leave meanwhile are dropped."""

    def __init__(self, members: Iterable[Member]) -> None:
        self.members = set(members)
        self.reports: dict[Member, Report] = {}
        self._silent: set[Member] = set()  # SUSPECT was said of them in this gather
        self._delivered: dict[bytes, Catalogue] = {}
        self._offered: set[bytes] = set()

    def take(self, sender: Member, envelope: Envelope) -> None:
        """A message of a member, in order."""
        message = envelope.message
        report = self.reports.get(sender)
        match message:
            case State() if self.counts(message):
                self.reports[sender] = Report(envelope.incarnation, message)
            case Defs(catalogue):
                self._delivered[catalogue.digest] = catalogue
            case Released() | Failed() | Cleared() | Drain():
                if report is not None and report.incarnation == envelope.incarnation:
                    report.later.append(message)
            case _:
                pass  # MATURE of before, STATE of a configuration change: without effect here (S5)

    def counts(self, state: State) -> bool:
        """Only an answer to a view may complete a gather (S2)."""
        return state.gather

    def drop(self, members: Iterable[Member]) -> None:
        """These left."""
        for member in members:
            self.members.discard(member)
            self.reports.pop(member, None)
            self._silent.discard(member)

    def suspect(self, member: Member, incarnation: int) -> bool:
        """Somebody says that it shows no life. False when what it said itself tells otherwise."""
        report = self.reports.get(member)
        if report is not None and report.incarnation != incarnation:
            return False
        self._silent.add(member)
        return True

    @property
    def suspected(self) -> set[Member]:
        """Members that do not count: some report, or a SUSPECT of this gather, calls them so."""
        called = {member for report in self.reports.values() for member in report.state.suspected}
        return (called | self._silent) & self.members

    @property
    def missing(self) -> set[Member]:
        """Whose state is not in."""
        return self.members - self.reports.keys() - self.suspected

    @property
    def is_reported(self) -> bool:
        """Every member's state is in, but of those that are suspected."""
        return not self.missing and bool(self.counted)

    @property
    def counted(self) -> dict[Member, Report]:
        """The reports that make the table."""
        if not self._silent and not any(report.state.suspected for report in self.reports.values()):
            return self.reports
        suspected = self.suspected
        return {member: report for member, report in self.reports.items() if member not in suspected}

    def catalogues(self, own: Mapping[bytes, Catalogue]) -> dict[bytes, Catalogue] | None:
        """All that reports name; None while one is missing. A single one is our own: we reported it."""
        digests = self._digests()
        if len(digests) == 1:
            known: Mapping[bytes, Catalogue] = {**own, **self._delivered}
        else:
            known = self._delivered
        return {digest: known[digest] for digest in digests} if digests <= known.keys() else None

    def offers(self, local: Member) -> list[bytes]:
        """Digests whose catalogue `local` must send now: of the members that use it the first by name does."""
        digests = self._digests()
        if not self.is_reported or len(digests) < 2:
            return []
        due = [d for d in sorted(digests - self._delivered.keys() - self._offered) if self._speaker(d) == local]
        self._offered.update(due)
        return due

    def _digests(self) -> set[bytes]:
        return {report.state.facts.digest for report in self.counted.values()}

    def _speaker(self, digest: bytes) -> Member:
        users = [m for m, report in self.counted.items() if report.state.facts.digest == digest]
        return min(users, key=lambda member: (short_name(self.reports[member].state.facts.name), member))

    def build(self, catalogues: Mapping[bytes, Catalogue], own: Iterable[Address]) -> Table:
        """The table, from the reports and nothing else (S6). `own`: addresses its index must have as well."""
        counted = self.counted
        strays = [address for report in counted.values() for address in report.state.strays]
        table = Table(index_of(catalogues.values(), [*strays, *own]), {**self._delivered, **catalogues})
        for member, report in sorted(counted.items()):
            table.add(member, report.incarnation, report.state)
        for member, report in sorted(counted.items()):
            for message in report.later:
                table.apply(member, message)
        table.complete()
        return table


def view_key(members: Sequence[Member]) -> bytes:
    """Names a view by its members, not by its ring: the same list is the same key (cluster §1.5)."""
    text = b"".join(member.node_id.to_bytes(4, "big") + member.pid.to_bytes(8, "big") for member in sorted(members))
    return hashlib.sha256(text).digest()[:VIEW_KEY_BYTES]
