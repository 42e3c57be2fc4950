"""What CPG tells a client, as values: the raw material that `views.py` turns into the contract's events.

One ring change gives each group up to three callbacks, in this order (exec/cpg.c, cpg_sync_activate):

    GroupChange(left, all NODEDOWN)  ->  GroupChange(joined, all NODEUP)  ->  RingChange(the nodes of the ring)

A process that comes or goes without a change of the ring gives one GroupChange and nothing else.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from momentum_node.bus.contract import Member


class Reason(IntEnum):
    """Why a member is in a left or joined list (cpg.h, cpg_reason_t)."""

    UNDEFINED = 0
    JOIN = 1
    LEAVE = 2
    NODEDOWN = 3
    NODEUP = 4
    PROCDOWN = 5


OF_THE_RING = frozenset({Reason.NODEDOWN, Reason.NODEUP})
"""Reasons that a RingChange follows: such lists are not final when they arrive."""


@dataclass(frozen=True, slots=True)
class GroupChange:
    """cpg_confchg_fn_t: the members after the change, and who changed."""

    members: tuple[Member, ...]
    left: tuple[tuple[Member, Reason], ...] = ()
    joined: tuple[tuple[Member, Reason], ...] = ()


@dataclass(frozen=True, slots=True)
class RingChange:
    """cpg_totem_confchg_fn_t: the node ids of the ring, once when a client joins and after each new ring."""

    nodes: frozenset[int]


@dataclass(frozen=True, slots=True)
class Message:
    """cpg_deliver_fn_t."""

    sender: Member
    data: bytes


Callback: TypeAlias = GroupChange | RingChange | Message
