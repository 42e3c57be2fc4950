"""Whether a part of a split cluster may own addresses (cluster §2.13, failover R6).

Counted by us from the ring's members against the node list: neither a view of a group nor votequorum is a sign of
life (failover §0.6).
"""

from dataclasses import dataclass

from momentum_node.duravip.vip import Policy


@dataclass(frozen=True, slots=True)
class Rule:
    """One member's policy as it travels in STATE: all members of a view must find it met, so that a member with an
    old node list cannot make a minority own anything."""

    majority: bool
    node_ids: frozenset[int]
    cluster_size: int

    @classmethod
    def of(cls, policy: Policy) -> "Rule":
        """The rule of this node's own policy."""
        return cls(policy.partition == "quorum", policy.node_ids, policy.cluster_size or 0)

    def count(self, reachable: frozenset[int]) -> tuple[int, int]:
        """(nodes on the ring that count, nodes that exist). Without a node list every ring member counts."""
        if self.node_ids:
            return len(reachable & self.node_ids), len(self.node_ids)
        return len(reachable), self.cluster_size

    def is_quorate(self, reachable: frozenset[int]) -> bool:
        """True when this part may own addresses.

        An exact half needs the lowest node id of the list; without a list nobody knows it, and half is not enough.
        """
        if not self.majority:
            return True
        have, of = self.count(reachable)
        if 2 * have == of and self.node_ids:
            return min(self.node_ids) in reachable
        return of > 0 and 2 * have > of
