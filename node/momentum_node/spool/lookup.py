"""What mail asks of the configuration: one generation, and options looked up for a client or a queue."""

from typing import Protocol

from momentum_node.config.loading import Places
from momentum_node.config.model import Address, InboundOptions, Listener, NodeConfiguration, OutboundOptions
from momentum_node.config.tree import Scope


class Lookup(Protocol):
    """One generation (`config.loading.Loaded` is one)."""

    @property
    def node(self) -> NodeConfiguration:
        """The whole."""
        ...

    @property
    def tree(self) -> Scope:
        """All that was set, merged."""
        ...

    @property
    def sources(self) -> Places:
        """Where it was set."""
        ...

    def inbound(self, listener: Listener, client: Address) -> InboundOptions:
        """What this client may do on this listener."""
        ...

    def outbound(self, binding: str, domain: str) -> OutboundOptions:
        """How mail of this queue is delivered."""
        ...
