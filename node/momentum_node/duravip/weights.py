"""Weights: how loads compare where some members should have more addresses than others (failover R9).

A member of weight 2 has twice the addresses of one of weight 1. The next address goes where it costs least, and one is
moved where that makes the sum of load² / weight smaller: with equal weights, from whoever has two more than another.

    cost of one more      (2 load + 1) / weight
    relief of one less    (2 load - 1) / weight

Whole numbers only, so that every member finds the same: a `scale` is the inverse of a weight times what all of them
have in common.
"""

from collections.abc import Sequence
from math import gcd, lcm
from typing import Final

MOST_WEIGHT: Final = 100
UNSAID: Final = 0
"""Of a member whose version knows no weights: it counts every member alike, so all must while it is there."""


def in_force(said: Sequence[int]) -> list[int]:
    """The weights that count among members that said these."""
    return list(said) if all(said) else [1] * len(said)


def scales(weights: Sequence[int]) -> list[int]:
    """What one address counts for on each member, the least common whole numbers; all 1 where weights are equal."""
    whole = lcm(*weights)
    inverse = [whole // weight for weight in weights]
    shared = gcd(*inverse) or 1
    return [one // shared for one in inverse]


def cost(load: int, scale: int) -> int:
    """Of one address more."""
    return (2 * load + 1) * scale


def relief(load: int, scale: int) -> int:
    """By one address less."""
    return (2 * load - 1) * scale
