"""The trace header that reception puts before a message (RFC 5321 §4.4), in the layout of the original."""

import re
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final

from momentum_node.smtp.arriving import Arriving

_NOT_IN_COMMENTS: Final = re.compile(r"[^!#-'*+\-./0-9:=?@A-Z\[\]^-~]")


def date_text(now: float) -> str:
    """Seconds since the epoch as a header's date (RFC 5322 §3.3), UTC."""
    return format_datetime(datetime.fromtimestamp(now, UTC).replace(microsecond=0))


def received_header(
    arriving: Arriving, client: str, helo: str, extended: bool, hostname: str, product: str, id_: str, date: str
) -> bytes:
    """One Received header, CRLF included. `client` is `address:port`; `id_` the batch id."""
    said = _NOT_IN_COMMENTS.sub("?", helo) or "unknown"
    protocol = "UTF8SMTP" if arriving.smtputf8 else "ESMTP" if extended else "SMTP"
    address = client.rpartition(":")[0]
    text = (
        f"Received: from [{address}] ([{client}] helo={said})\r\n"
        f"\tby {hostname} (envelope-from <{arriving.sender.text}>)\r\n"
        f"\t({product}) with {protocol}\r\n"
        f"\tid {id_}; {date}\r\n"
    )
    return text.encode("utf-8", "replace")
