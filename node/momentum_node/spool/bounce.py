"""The bounce of a failed message (RFC 3464, RFC 6522): bytes from values. Pure."""

import re
from dataclasses import dataclass
from typing import Final

from momentum_node.smtp.reply import Reply
from momentum_node.spool.message import Message

MAX_HEADER_BYTES: Final = 65_536
_TEMPLATE: Final = """\
From: Mail Delivery System <mailer-daemon@{hostname}>
To: {sender}
Subject: Mail Delivery Failure
Date: {date}
Message-ID: <{id_at}@{hostname}>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="{boundary}"

--{boundary}
Content-Type: text/plain; charset=utf-8

This message was created automatically by the mail system at {hostname}.

A message that you sent could not be delivered to:

    {recipient}

The reason given was:

    {reason}

--{boundary}
Content-Type: {status_type}

Reporting-MTA: dns; {hostname}
Arrival-Date: {arrival}

Final-Recipient: {address_type}; {recipient}
Action: failed
Status: {status}
{remote}Diagnostic-Code: smtp; {reason}
Last-Attempt-Date: {date}

--{boundary}
Content-Type: {headers_type}

"""


def headers_of(content: bytes) -> bytes:
    """The header section of a message, cut where it is too long to return."""
    end = content.find(b"\r\n\r\n")
    return content[: end + 2 if end >= 0 else len(content)][:MAX_HEADER_BYTES]


@dataclass(frozen=True, slots=True)
class Failure:
    """What a bounce reports. `original`: the header section of the message; `remote`: the host that refused it."""

    message: Message
    why: Reply
    original: bytes
    hostname: str
    remote: str | None


def build(failure: Failure, id_: str, date: str, arrival: str) -> bytes:
    """The DSN, CRLF line ends. `id_`: its own message id; `arrival`: when the failed message came."""
    message, why = failure.message, failure.why
    is_utf8 = not (message.recipient.isascii() and message.envelope.sender.isascii() and failure.original.isascii())
    boundary = f"={id_.replace('/', '-')}="
    text = _TEMPLATE.format(
        hostname=failure.hostname,
        sender=message.envelope.sender,
        date=date,
        id_at=id_.replace("/", "-"),
        boundary=boundary,
        recipient=message.recipient,
        reason=re.sub(r"[\x00-\x1f\x7f]", " ", why.text),
        arrival=arrival,
        status_type="message/global-delivery-status" if is_utf8 else "message/delivery-status",
        headers_type="message/global-headers" if is_utf8 else "text/rfc822-headers",
        address_type="utf-8" if is_utf8 else "rfc822",
        status=_status(why),
        remote=f"Remote-MTA: dns; {failure.remote}\n" if failure.remote is not None else "",
    )
    head = text.replace("\n", "\r\n").encode("utf-8", "replace")
    return head + failure.original + f"\r\n--{boundary}--\r\n".encode()


def _status(why: Reply) -> str:
    """The status must be of class 5: the message failed, however transient the last reply was (RFC 3463 §3.1)."""
    return f"5{why.enhanced[1:]}" if why.enhanced else "5.0.0"
