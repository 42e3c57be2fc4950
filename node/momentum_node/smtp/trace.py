"""What reception puts before a message: the trace header (RFC 5321 §4.4) in the layout of the original, and headers
that every message has to have (RFC 5322 §3.6) and this one has not (RFC 6409 §8)."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Final

from momentum_node.smtp.arriving import Arriving
from momentum_node.spool.message import Context

_NOT_IN_COMMENTS: Final = re.compile(r"[^!#-'*+\-./0-9:=?@A-Z\[\]^-~]")


def date_text(now: float) -> str:
    """Seconds since the epoch as a header's date (RFC 5322 §3.3), UTC."""
    return _date_text(int(now))


@lru_cache(16)  # thousands of messages arrive in one second
def _date_text(now: int) -> str:
    return format_datetime(datetime.fromtimestamp(now, UTC))


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a message came from, as its Received header says it."""

    client: str  # address:port
    helo: str
    hostname: str  # ours
    protocol: str  # `protocol_name`
    cipher: str = ""  # "TLSv1.3 TLS_AES_256_GCM_SHA384"
    is_traced: bool = True  # RFC2822_Trace_Headers
    user: str = ""  # that authenticated; this and the next are not in the header
    context: Context = ()  # of its session


def protocol_name(is_extended: bool, is_utf8: bool, is_tls: bool, is_authenticated: bool) -> str:
    """The word behind `with` (RFC 3848, RFC 6531 §4.3)."""
    if not (is_extended or is_utf8):
        return "SMTP"
    return f"{'UTF8SMTP' if is_utf8 else 'ESMTP'}{'S' if is_tls else ''}{'A' if is_authenticated else ''}"


def trace_headers(arriving: Arriving, origin: Origin, product: str, id_: str, date: str) -> bytes:
    """Return-Path and one Received header, CRLF included, or nothing where none is wanted. `id_` is the batch id."""
    if not origin.is_traced:
        return b""
    said = _NOT_IN_COMMENTS.sub("?", origin.helo) or "unknown"
    address = origin.client.rpartition(":")[0]
    text = (
        f"Return-Path: <{arriving.sender.text}>\r\n"
        f"Received: from [{address}] ([{origin.client}] helo={said})\r\n"
        f"\tby {origin.hostname} (envelope-from <{arriving.sender.text}>)\r\n"
        f"\t({product}) with {origin.protocol}{f' ({origin.cipher})' if origin.cipher else ''}\r\n"
        f"\tid {id_}; {date}\r\n"
    )
    return text.encode("utf-8", "replace")


def message_id(id_: str, hostname: str) -> str:
    """A Message-ID for a message that has none."""
    return f"<{id_.replace('/', '-')}@{hostname}>"


def head_of(arriving: Arriving, origin: Origin, product: str, id_: str, date: str) -> bytes:
    """All that goes before the content; where that has no headers of its own, with the empty line behind them."""
    check = arriving.check
    head = trace_headers(arriving, origin, product, id_, date)
    if check.wants_date:
        head += f"Date: {date}\r\n".encode()
    if check.wants_message_id:
        head += f"Message-ID: {message_id(id_, origin.hostname)}\r\n".encode("utf-8", "replace")
    if head and not (check.has_headers or check.begins_with_empty_line):
        head += b"\r\n"
    return head
