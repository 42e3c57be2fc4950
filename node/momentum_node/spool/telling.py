"""What is told of each message that the spool handles: events for the logs, made only where somebody listens."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

from momentum_node import clock
from momentum_node.config.model import InboundOptions
from momentum_node.logs.events import (
    DEFAULT_GROUP,
    NO_ID,
    Delayed,
    Delivered,
    Failed,
    Moved,
    Outgoing,
    Received,
    Rejected,
)
from momentum_node.logs.sink import Hub
from momentum_node.smtp.events import Refused
from momentum_node.smtp.reply import Reply
from momentum_node.smtp.routes import Target
from momentum_node.smtp.stage import Stage
from momentum_node.spool.message import Message

_Attempt = TypeVar("_Attempt", bound=Outgoing)


class Hop(Protocol):
    """An outbound connection: `smtp.outbound.Connection`."""

    target: Target
    number: str
    """Its id in the logs, given when it is first needed."""


class Teller:
    """One per worker. `group_of` names the group of a binding, `routing_domain_of` what a message is queued for."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.routing_domain_of: Callable[[Message], str] = lambda message: message.domain
        self.group_of: Callable[[str], str] = lambda _binding: DEFAULT_GROUP

    def received(self, messages: Iterable[Message], connection: str = NO_ID, **more: Any) -> None:
        """These are durable. `more`: peer and pathway of `Received`."""
        if self.hub.wants(Received):
            for message in messages:
                self.hub.emit(Received(**self._passage(message, connection), **more))

    def delivered(self, message: Message, answer: Reply, hop: Hop | None, new_id: Callable[[], str]) -> None:
        """The next hop took it."""
        if self.hub.wants(Delivered):
            self.hub.emit(self._attempt(Delivered, message, answer, hop, new_id))

    def refused(
        self,
        message: Message,
        answer: Reply,
        hop: Hop | None,
        new_id: Callable[[], str],
        *,
        stage: Stage | None,
        classification: int,
        is_final: bool,
    ) -> None:
        """The next hop did not take it, or none was reached."""
        kind: type[Failed] | type[Delayed] = Failed if is_final else Delayed
        if self.hub.wants(kind):
            self.hub.emit(
                self._attempt(
                    kind,
                    message,
                    answer,
                    hop,
                    new_id,
                    stage=0 if hop is None or stage is None else int(stage),
                    sent=message.envelope.size if stage is Stage.DOT else 0,
                    classification=classification,
                )
            )

    def rejected(self, refused: Refused, peer: str, local: str, connection: str, options: InboundOptions) -> None:
        """A client was told 4yz or 5yz."""
        self.hub.emit(
            Rejected(
                at=clock.wall(),
                peer=peer,
                local=local,
                connection=connection,
                phase=refused.phase,
                code=refused.reply.code,
                text=refused.reply.text,
                pathway=options.pathway,
                pathway_group=options.pathway_group,
                module=refused.module,
                connection_context=refused.connection_context,
                message_context=refused.message_context,
            )
        )

    def moved(self, messages: Iterable[Message], node: str) -> None:
        """Another node has them."""
        if self.hub.wants(Moved):
            for message in messages:
                self.hub.emit(Moved(**self._passage(message, NO_ID), **self._so_far(message), remote=node))

    def _attempt(
        self,
        kind: type[_Attempt],
        message: Message,
        answer: Reply,
        hop: Hop | None,
        new_id: Callable[[], str],
        **more: Any,
    ) -> _Attempt:
        connection, remote = NO_ID, ""
        if hop is not None:
            hop.number = connection = hop.number or new_id()
            remote = hop.target.address
        passage = self._passage(message, connection)
        return kind(**passage, **self._so_far(message), remote=remote, reply=answer.text, **more)

    def _passage(self, message: Message, connection: str) -> dict[str, Any]:
        envelope = message.envelope
        return {
            "at": clock.wall(),
            "id": message.id,
            "batch": envelope.batch or message.id,
            "connection": connection,
            "sender": envelope.sender,
            "recipient": message.recipient,
            "domain": self.routing_domain_of(message),
            "size": envelope.size,
            "protocol": envelope.protocol,
            "group": self.group_of(message.binding),
            "binding": message.binding,
            "user": envelope.user,
            "context": envelope.context,
        }

    def _so_far(self, message: Message) -> dict[str, Any]:
        return {"retries": message.retries, "queued_s": clock.wall() - message.envelope.created}
