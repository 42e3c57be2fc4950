"""Who may speak on a cluster listener: certificates say the role, addresses say the node.

A certificate carries role and cluster only (URI SAN `momentum://<cluster>/node`); which node it is follows from the
address it connects from, or is connected to.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from momentum_node import nodelist
from momentum_node.config.model import Address
from momentum_node.errors import ConfigurationError, ProtocolError


def short(name: str) -> str:
    """A node name as the group uses it: lower case, without a domain."""
    return name.partition(".")[0].lower()


class Roster:
    """The node list as it is in its file now. Its methods read a small file: not for a loop that must not wait."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _listed(self) -> nodelist.NodeList:
        return nodelist.parse(self._path.read_text(), str(self._path))

    def address_of(self, node: str) -> Address:
        """Where `node` listens. Raises `ConfigurationError`, `OSError`."""
        found = self._listed().find(node)
        if found is None:
            raise ConfigurationError(f"{node} is not in {self._path}")
        return ip_address(found.address)

    def check(self, certificate: Mapping[str, Any] | None, peer: str, node: str | None = None) -> None:
        """Return when the other end of a connection, `peer`, is a node of this cluster, and `node` if that is given.

        Raises `ProtocolError` when it is not, `ConfigurationError` and `OSError` when the node list cannot be read.
        """
        listed = self._listed()
        wanted = ("URI", f"momentum://{listed.cluster}/node")
        if wanted not in (certificate or {}).get("subjectAltName", ()):
            raise ProtocolError(f"the certificate of {peer} does not carry {wanted[1]}")
        if node is None:
            return
        found = listed.find(node)
        if found is None or ip_address(found.address) != ip_address(peer.partition("%")[0]):
            raise ProtocolError(f"{peer} is not the address of {node}")
