"""The transaction that a client is making: sender, recipients and content so far. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from momentum_node.config.model import InboundOptions
from momentum_node.smtp import reply as say
from momentum_node.smtp.address import NULL, Mailbox, completed
from momentum_node.smtp.data import ContentCheck
from momentum_node.smtp.relay import is_accepted
from momentum_node.smtp.repair import Repair, repair_of
from momentum_node.smtp.reply import Reply
from momentum_node.smtp.returnpath import OldReturnPath

MAX_RECIPIENTS: Final = 50_000
"""A bound where no option sets one; RFC 5321 §4.5.3.1.8 asks for at least 100."""


@dataclass(slots=True)
class Arriving:
    """One transaction between MAIL and the reply to its content."""

    check: ContentCheck
    repair: Repair | None = None
    old_path: OldReturnPath | None = None
    received: int = 0  # bytes of content, as they came
    sender: Mailbox = NULL
    eight_bit: bool = False
    smtputf8: bool = False
    recipients: list[Mailbox] = field(default_factory=list)

    @classmethod
    def under(cls, options: InboundOptions) -> "Arriving":
        """A new one of a client with these options."""
        old_path = OldReturnPath() if options.trace_headers else None
        return cls(ContentCheck(options), repair_of(options), old_path)

    def take(self, data: bytes) -> bytes:
        """More of the content; what is to be kept of it now."""
        self.received += len(data)
        kept = data if self.repair is None else self.repair.feed(data)
        if self.old_path is not None:
            kept = self.old_path.feed(kept)
        self.check.feed(kept)
        return kept

    def complete(self) -> bytes:
        """There is no more; what is to be kept of what was held back. `check.finish` then says what is wrong."""
        kept = b"" if self.repair is None else self.repair.finish()
        if self.old_path is not None:
            kept = self.old_path.feed(kept) + self.old_path.finish()
        if kept:
            self.check.feed(kept)
        return kept

    def begin(self, sender: str, parameters: str, options: InboundOptions) -> Reply | None:
        """Take MAIL's arguments; the refusal, or None."""
        problem = self._parameters(parameters, options)
        if problem is not None:
            return problem
        if not sender:
            return None if options.allow_null_envelope_sender else say.NULL_SENDER_REFUSED
        mailbox = completed(sender, options.unqualified_sender_domain, is_pedantic=options.pedantic_addresses)
        if mailbox is None or (mailbox.is_literal and not options.allow_ip_literal):
            return say.BAD_SENDER
        self.sender = mailbox
        return None if mailbox.is_ascii or self.smtputf8 else say.NEEDS_SMTPUTF8

    def add(
        self, recipient: str, parameters: str, options: InboundOptions, trusted: bool, drops: Callable[[str], bool]
    ) -> Reply | None:
        """Take RCPT's arguments; the refusal, or None. `trusted`: the client may relay; `drops`: see `Client`."""
        if parameters:
            return say.UNKNOWN_PARAMETER
        domain = options.unqualified_recipient_domain
        mailbox = completed(recipient, domain, is_pedantic=options.pedantic_addresses)
        if mailbox is None or (mailbox.is_literal and not options.allow_ip_literal):
            return say.BAD_ADDRESS
        if not mailbox.is_ascii and not self.smtputf8:
            return say.NEEDS_SMTPUTF8
        problem = self._unwanted(mailbox, options, trusted, drops)
        if problem is None:
            self.recipients.append(mailbox)
        return problem

    def _unwanted(
        self, mailbox: Mailbox, options: InboundOptions, trusted: bool, drops: Callable[[str], bool]
    ) -> Reply | None:
        if not is_accepted(options, trusted, self.sender, mailbox):
            return say.RELAY_DENIED
        if drops(mailbox.domain):
            return say.BLACKHOLED
        is_full = len(self.recipients) >= (options.max_recipients_per_message or MAX_RECIPIENTS)
        return say.TOO_MANY_RECIPIENTS if is_full else None

    def _parameters(self, text: str, options: InboundOptions) -> Reply | None:
        for parameter in text.split():
            name, _, value = parameter.upper().partition("=")
            if name == "SIZE" and value.isdecimal() and len(value) <= 20:
                if options.max_message_size and int(value) > options.max_message_size:
                    return say.TOO_LARGE
            elif name == "BODY" and value in {"7BIT", "8BITMIME"}:
                self.eight_bit = value == "8BITMIME"
            elif name == "SMTPUTF8" and not value:
                self.smtputf8 = True
            else:
                return say.BAD_PARAMETER if name in {"SIZE", "BODY", "SMTPUTF8"} else say.UNKNOWN_PARAMETER
        return None
