"""One truth from what many nodes say: whose membership view counts, and who owns, holds and misses each address.

A node that was just cut off still says what it last knew, and so does the report we have of it. A view counts by how
many of its own members stand behind it: the survivors all say (n2, n3), while only n1 says (n1, n2, n3).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from momentum_node.status.report import Report, VipReport


@dataclass(frozen=True, slots=True)
class VipTruth:
    """One address. `held_by` are all nodes that have it on a NIC now, sorted; one is right."""

    address: str
    owner: str | None
    since: str | None
    reason: str
    held_by: tuple[str, ...]
    problem: str | None

    @property
    def is_served(self) -> bool:
        """Exactly the owner has it."""
        return self.owner is not None and self.held_by == (self.owner,) and self.problem is None


@dataclass(frozen=True, slots=True)
class ClusterView:
    """The working view: its members by name, whether it may own addresses, whether everybody who answers shares it."""

    members: tuple[str, ...] = ()
    is_quorate: bool = False
    quorum: str = ""
    is_shared: bool = False
    vips: Mapping[str, VipTruth] | None = None

    def truth(self, address: str) -> VipTruth:
        """What is known of an address; that nobody speaks of it, if so."""
        known = (self.vips or {}).get(address)
        return known or VipTruth(address, None, None, "no node that answers knows this address yet", (), None)


def agree(reports: Mapping[str, Report]) -> ClusterView:
    """The view that counts among the reports (by node name), and what its members say of the addresses."""
    if not reports:
        return ClusterView()
    speakers = _speakers(reports)
    first = reports[speakers[0]]
    addresses = sorted({vip["address"] for report in reports.values() for vip in report["vips"]})
    told = {name: {vip["address"]: vip for vip in reports[name]["vips"]} for name in sorted(reports)}
    return ClusterView(
        members=_members(first),
        is_quorate=first["quorate"],
        quorum=first["quorum"],
        is_shared=len(speakers) == len(reports),
        vips={address: _truth(address, speakers, told) for address in addresses},
    )


def _speakers(reports: Mapping[str, Report]) -> list[str]:
    """The nodes whose view counts, sorted: a quorate one, then that with most of its members behind it."""
    behind: dict[tuple[str, ...], list[str]] = {}
    for name in sorted(reports):
        behind.setdefault(_members(reports[name]), []).append(name)

    def weight(members: tuple[str, ...]) -> tuple[bool, bool, float, int, tuple[str, ...]]:
        voices = [name for name in behind[members] if name in members]
        is_quorate = any(reports[name]["quorate"] for name in voices)
        share = len(voices) / len(members) if members else 0.0
        return bool(members), is_quorate, share, len(members), members

    return behind[max(behind, key=weight)]


def _members(report: Report) -> tuple[str, ...]:
    return tuple(sorted(member["name"] for member in report["members"]))


def _truth(address: str, speakers: list[str], told: Mapping[str, Mapping[str, VipReport]]) -> VipTruth:
    words = [told[name][address] for name in speakers if address in told[name]]
    held_by = tuple(name for name, vips in told.items() if address in vips and vips[address]["held"])
    if not words:
        return VipTruth(address, None, None, "only nodes outside of the working view know this address", held_by, None)
    owners = [word["owner"] for word in words]
    owner = max(sorted(set(owners), key=str), key=owners.count)
    voice = told[owner][address] if owner in speakers and address in told[owner] else None
    if voice is None or voice["owner"] != owner:
        voice = next(word for word in words if word["owner"] == owner)
    problem = voice["problem"] or (None if owner else next((w["problem"] for w in words if w["problem"]), None))
    return VipTruth(address, owner, voice["since"], voice["reason"], held_by, problem)
