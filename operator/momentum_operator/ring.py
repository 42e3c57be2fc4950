"""Bus ids: every node gets a number once, keeps it, and nobody else gets it again.

A message id carries 16 bits of it and Corosync keeps state by it, so a number that came back under another name would
mix two nodes up. What was given is kept in the state ConfigMap; lost, it is rebuilt from what nodes report.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

HIGHEST_ID = 65_535


@dataclass(frozen=True, slots=True)
class RingMember:
    """One node of the list: Kubernetes name, name on the bus, number, address of its own, and what is wanted of it."""

    kubernetes_name: str
    name: str
    node_id: int
    address: str
    is_cordoned: bool = False  # the last choice for addresses
    is_draining: bool = False  # gives all of them up


def give_ids(given: Mapping[str, int], seen: Mapping[str, int], names: Iterable[str]) -> dict[str, int]:
    """Every id ever given, by bus name: `given` (kept), `seen` (running nodes say so), and new ones for `names`.

    A seen id wins over none, never over a given one, and never takes a number that somebody else has.
    """
    ids = dict(given)
    for name in sorted(seen):
        if name not in ids and seen[name] not in ids.values() and 1 <= seen[name] <= HIGHEST_ID:
            ids[name] = seen[name]
    for name in sorted(set(names) - set(ids)):
        ids[name] = max(ids.values(), default=0) + 1
    return ids
