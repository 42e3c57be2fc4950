"""The node list: which nodes the cluster is meant to have, and their stable bus ids.

    {"cluster": "<uid>", "nodes": [{"name": "n1", "id": 1, "address": "198.18.0.1"}], "arbiter": null}

A node may also have `"cordoned": true` (the last choice for addresses) and `"draining": true` (it gives all up).
Written by the operator (or by hand outside Kubernetes). A quorum counts these ids, the arbiter's included.
"""

import json
from dataclasses import dataclass
from typing import Any

from momentum_node.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class ListedNode:
    """One node: its name in configuration and console, its bus id (1 … 65535), its address on the bus, and what an
    administrator wants of it."""

    name: str
    node_id: int
    address: str
    cordoned: bool = False
    draining: bool = False


@dataclass(frozen=True, slots=True)
class NodeList:
    """All nodes of one cluster; `cluster` is its identity in certificates."""

    cluster: str
    nodes: tuple[ListedNode, ...]
    arbiter: int | None = None

    @property
    def ids(self) -> frozenset[int]:
        """Every bus id that counts for a quorum."""
        extra = frozenset() if self.arbiter is None else frozenset({self.arbiter})
        return frozenset(node.node_id for node in self.nodes) | extra

    def find(self, name: str) -> ListedNode | None:
        """The entry of the node called `name`, compared without case and domain (cluster §1.1)."""
        wanted = name.partition(".")[0].lower()
        return next((node for node in self.nodes if node.name.partition(".")[0].lower() == wanted), None)


def parse(text: str, source: str) -> NodeList:
    """Read the JSON form. Raises `ConfigurationError` with `source` and what is wrong."""
    try:
        document: dict[str, Any] = json.loads(text)
        nodes = tuple(_node(entry) for entry in document["nodes"])
        arbiter = document.get("arbiter")
        listed = NodeList(str(document["cluster"]), nodes, None if arbiter is None else int(arbiter["id"]))
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigurationError(f"{source}: not a node list: {error!r}") from None
    if len({node.node_id for node in nodes}) != len(nodes) or len({node.name for node in nodes}) != len(nodes):
        raise ConfigurationError(f"{source}: a node name or a node id stands twice")
    return listed


def _node(entry: dict[str, Any]) -> ListedNode:
    wishes = entry.get("cordoned", False), entry.get("draining", False)
    if not all(isinstance(wish, bool) for wish in wishes):
        raise ValueError("cordoned and draining are true or false")
    return ListedNode(str(entry["name"]), int(entry["id"]), str(entry["address"]), *wishes)
