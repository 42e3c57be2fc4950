"""What a fault is: how it is done and undone, and what must hold meanwhile. The catalogue is catalogue.py."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tests.faults.shape import Shape
from tests.support.labcluster import LabCluster
from tests.support.labnode import LabNode

THREE = Shape()
HEALING_S = 1.5
UNPLANNED_S, LEASE_ONLY_S, PLANNED_S = 1.0, 2.6, 0.1
"""How long a client may be without an answer (failover §6, W2)."""


@dataclass
class Scene:
    """One run: the cluster, and who had the first address when it began."""

    cluster: LabCluster
    shape: Shape
    victim: LabNode

    @property
    def others(self) -> list[LabNode]:
        """Every other node."""
        return [node for node in self.cluster.nodes.values() if node is not self.victim]


Act: TypeAlias = Callable[[Scene], None]


def nothing(_scene: Scene) -> None:
    """What was killed is started again by whoever watches it."""


def _nothing_to_say(_scene: Scene) -> str | None:
    return None


@dataclass(frozen=True)
class Fault:
    """Done to the node that has the first address.

    `outage_s`: the longest time without an answer for an address of that node (None: it may stay away, see
    `is_served`); `moves`: how often such an address may change its node; `others_move`: addresses of other nodes may.
    `is_served`: each address is answered `seconds` after it began; False: none may be. Then it is undone, and for
    `HEALING_S` more nothing may go wrong. `is_hidden`: clients do not reach the victim meanwhile, so what its kernel
    keeps until it notices is no second holder. `look` is asked before it is undone.
    """

    number: str
    name: str
    do: Act
    outage_s: float | None
    undo: Act = nothing
    moves: tuple[int, int] = (1, 1)
    others_move: bool = False
    is_served: bool = True
    is_hidden: bool = False
    look: Callable[[Scene], str | None] = _nothing_to_say
    seconds: float = 6.0
    shape: Shape = THREE
    in_ci: bool = False
    substitute: str = ""

    def __str__(self) -> str:
        return f"{self.number} {self.name}"


@dataclass(frozen=True)
class Absent:
    """A scenario of the list without a run here: why, and where it is looked at instead."""

    number: str
    name: str
    verdict: Literal["not built", "not possible here", "tested elsewhere", "not tested"]
    why: str
