"""The routing domain of messages: the recipient's domain, or the gateway that the configuration of now sends it to."""

from collections.abc import Mapping

from momentum_node.log import logger
from momentum_node.spool.assignment import Assignment
from momentum_node.spool.line import Line
from momentum_node.spool.lookup import Lookup
from momentum_node.spool.message import Message
from momentum_node.spool.schedule import Key


class Routing:
    """Of one worker. `lines` is the delivery's own: what a queue has looked up is not looked up again."""

    def __init__(self, lines: Mapping[Key, Line]) -> None:
        self._lines = lines
        self._lookup: Lookup | None = None
        self._assignment = Assignment({})
        self._missed: set[str] = set()  # bindings that are told of already

    def configure(self, lookup: Lookup) -> None:
        """Use this generation from now on."""
        self._lookup = lookup
        self._assignment = Assignment(lookup.node.bindings)
        self._missed.clear()

    def has(self, binding: str) -> bool:
        """It is configured."""
        return self._assignment.existing(binding) == binding

    def key(self, binding: str, domain: str) -> Key:
        """The queue of mail of this binding for recipients in this domain."""
        gateway = self._gateway(binding, domain)
        return Key(binding, domain) if gateway is None else Key(binding, gateway, True)

    def domain(self, message: Message) -> str:
        """What a message is, or will be, queued for."""
        return self._gateway(message.binding, message.domain) or message.domain

    def route(self, message: Message) -> None:
        """Both may be others since it was taken: its binding is gone, its gateway is another one."""
        binding = self._assignment.existing(message.binding)
        if binding != message.binding:
            self._miss(message.binding)
            message.binding = binding
        message.gateway = self._gateway(message.binding, message.domain)

    def _miss(self, binding: str) -> None:
        """An administrator should hear of it, once for each generation."""
        if binding not in self._missed:
            self._missed.add(binding)
            logger().error("mail of a binding that is not configured goes to default", binding=binding)

    def _gateway(self, binding: str, domain: str) -> str | None:
        line = self._lines.get(Key(binding, domain))
        if line is not None and line.lookup is self._lookup:
            return line.options.gateway
        return None if self._lookup is None else self._lookup.outbound(binding, domain).gateway
