"""What mail asks of the configuration: one generation, and options looked up for a client or a queue."""

from typing import Protocol

from momentum_node.config.model import Address, InboundOptions, Listener, NodeConfiguration, OutboundOptions


class Lookup(Protocol):
    """One generation (`config.loading.Loaded` is one)."""

    @property
    def node(self) -> NodeConfiguration:
        """The whole."""
        ...

    def inbound(self, listener: Listener, client: Address) -> InboundOptions:
        """What this client may do on this listener."""
        ...

    def outbound(self, binding: str, domain: str) -> OutboundOptions:
        """How mail of this queue is delivered."""
        ...
