"""Making the letter of one transaction: the content from memory or disk, signed where that is wanted."""

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from momentum_node.errors import SpoolError
from momentum_node.log import logger
from momentum_node.smtp.client import Letter
from momentum_node.smtp.eightbit import transformed
from momentum_node.smtp.reply import Reply
from momentum_node.smtp.terms import Origin
from momentum_node.spool.line import Line
from momentum_node.spool.lookup import Lookup
from momentum_node.spool.message import Message
from momentum_node.spool.signing import Signing
from momentum_node.spool.store import Store


class Letters:
    """For messages of all stores of one worker."""

    def __init__(self, stores: Mapping[int, Store]) -> None:
        self._stores = stores
        self._signing = Signing()

    @property
    def signed(self) -> int:
        """Letters that went out with a DKIM signature."""
        return self._signing.signed

    def configure(self, lookup: Lookup) -> None:
        """Use the keys of this generation."""
        self._signing.configure(lookup)

    def at_once(self, line: Line, messages: list[Message], takes_8bit: bool) -> Letter | None:
        """The letter, when nothing has to be read, signed or recoded for it."""
        content = messages[0].stored.resident
        if content is None or self._signs(line) or not (takes_8bit or content.isascii()):
            return None
        return _letter(messages, content)

    async def made(self, line: Line, messages: list[Message], takes_8bit: bool) -> Letter | Reply | None:
        """The letter; a reply: there can be none for this server; None (told in the log): the disk does not give it.

        `takes_8bit`: the server does.
        """
        try:
            content = await self._stores[messages[0].home].read(messages[0])
        except (OSError, SpoolError) as error:
            logger().critical("a spooled message cannot be read; it waits", id=messages[0].id, error=str(error))
            return None
        if not takes_8bit and not content.isascii():
            sent = await asyncio.to_thread(transformed, content, line.options.transform_8bit)
            if isinstance(sent, Reply):
                return sent
            content = sent
        if self._signs(line):
            content = await self._signing.signed_content(content)
        return _letter(messages, content)

    def _signs(self, line: Line) -> bool:
        return self._signing.is_wanted and line.options.dkim_sign


def _letter(messages: list[Message], content: bytes) -> Letter:
    envelope = messages[0].envelope
    recipients = tuple(message.recipient for message in messages)
    needs_utf8 = envelope.smtputf8 and not (envelope.sender.isascii() and all(map(str.isascii, recipients)))
    origin = _origin(envelope.received_from)
    return Letter(envelope.sender, recipients, content, envelope.eight_bit, needs_utf8, origin)


_origin: Final = lru_cache(1024)(Origin.of)  # a client brings many messages
