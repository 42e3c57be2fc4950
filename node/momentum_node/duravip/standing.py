"""What the group knows of one member."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from momentum_node.bus.contract import Member
from momentum_node.duravip.addresses import Bits
from momentum_node.duravip.messages import Facts
from momentum_node.duravip.vip import short_name

SETS = ("listed", "unusable", "holds", "owns", "unsure", "doubtful")


@dataclass(slots=True)
class Standing:
    """One member in a table. Sets are over the table's index; `claims` has one set for each rank of preference."""

    member: Member
    incarnation: int
    mature: bool
    facts: Facts
    listed: Bits = 0
    claims: tuple[Bits, ...] = (0,)
    unusable: Bits = 0
    holds: Bits = 0
    owns: Bits = 0
    failed: dict[str, Bits] = field(default_factory=dict)
    name: str = ""
    unsure: Bits = 0
    doubtful: Bits = 0

    def __post_init__(self) -> None:
        """`name` is the node name as elections compare it."""
        self.name = short_name(self.facts.name)

    @property
    def all_failed(self) -> Bits:
        """What it cannot serve, for whatever reason."""
        return union(self.failed.values()) if self.failed else 0

    @property
    def candidate_for(self) -> Bits:
        """Declared here, and its interface and services could carry it now."""
        return self.listed & ~self.unusable

    def valid_claims(self) -> tuple[Bits, ...]:
        """The addresses whose preferred node this member says it is, by rank, and may say so now.

        A cordoned member claims nothing: it keeps what nobody else can have, but pulls nothing in.
        """
        if not self.facts.claiming or self.facts.cordoned:
            return (0,)
        return tuple(claims & self.candidate_for for claims in self.claims)

    def forget_failures(self, bits: Bits) -> None:
        """These can be served again, or failed for another reason now."""
        self.failed = {reason: left for reason, failed in self.failed.items() if (left := failed & ~bits)}

    def copy(self) -> "Standing":
        """One that can be changed apart from this one."""
        return Standing(
            self.member,
            self.incarnation,
            self.mature,
            self.facts,
            self.listed,
            self.claims,
            self.unusable,
            self.holds,
            self.owns,
            dict(self.failed),
            unsure=self.unsure,
            doubtful=self.doubtful,
        )

    def digest(self) -> bytes:
        """Of everything that must be equal on all members."""
        state = hashlib.blake2b(digest_size=16)
        state.update(repr((self.member, self.incarnation, self.mature, self.facts.draining)).encode())
        for bits in (self.listed, self.unusable, self.holds, self.owns, self.all_failed, *self.claims):
            state.update(b"%x," % bits)
        return state.digest()


def union(sets: Iterable[Bits]) -> Bits:
    """All addresses of several sets."""
    result = 0
    for bits in sets:
        result |= bits
    return result
