"""The assignment again, of mail that is about to leave this node (`unconditional_rebind`): it stays where a binding
that is here may have it now, of a group for instance. A binding that is not here changes nothing: nodes would pass the
message round for as long as chance chooses between them.
"""

from collections.abc import Sequence
from ipaddress import ip_address

from momentum_node.assigner import Assigner
from momentum_node.config.model import Address
from momentum_node.mmove.plan import Owners
from momentum_node.spool.choice import Arrival
from momentum_node.spool.message import Message


class Rebinding:
    """Of one worker."""

    def __init__(self, assigner: Assigner) -> None:
        self._assigner = assigner

    def heed(self, owners: Owners) -> None:
        """Another view, or other bindings: a group passes over what nobody owns."""
        self._assigner.heed(owners.owner)

    async def local(self, messages: Sequence[Message], content: bytes) -> list[str | None]:
        """For each message (all have this content) the binding here that it may have; None: it has to leave."""
        if not messages[0].envelope.received_via:  # made here, a bounce: it belongs to the binding it was made for
            return [None] * len(messages)
        head, _, body = content.partition(b"\r\n\r\n")
        arrivals = [_arrival(message, head, body) for message in messages]
        if self._assigner.has_policy:
            chosen = await self._assigner.ask(arrivals)
        else:
            chosen = self._assigner.choose(arrivals)
        if chosen is None:
            return [None] * len(messages)
        return [name if self._is_here(name) else None for name in chosen]

    def _is_here(self, binding: str) -> bool:
        state = self._assigner.state(binding)
        return state.is_local and state.is_plumbed


def _arrival(message: Message, head: bytes, body: bytes) -> Arrival:
    envelope = message.envelope
    local, port = _endpoint(envelope.received_via)
    client, _ = _endpoint(envelope.received_from)
    sender_domain = envelope.sender.rpartition("@")[2].lower()
    return Arrival(envelope.sender, sender_domain, message.recipient, local, port, client, head, body, envelope.context)


def _endpoint(text: str) -> tuple[Address | None, int]:
    """An address and a port, as an envelope keeps them."""
    address, _, port = text.rpartition(":")
    try:
        return ip_address(address.strip("[]")), int(port)
    except ValueError:
        return None, 0
