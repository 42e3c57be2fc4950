"""The bounce of a failed message (RFC 3464, RFC 6522): bytes from values. Pure."""

import re
from dataclasses import dataclass
from typing import Final, Literal

from momentum_node.smtp.reply import Reply
from momentum_node.spool.message import Answer, Message
from momentum_node.spool.schedule import GIVEN_UP

MAX_HEADER_BYTES: Final = 65_536
_LONGEST_LINE: Final = 900  # a header field and its value are one line of at most 998 octets
_TEMPLATE: Final = """\
From: Mail Delivery System <{mailer_daemon}>
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
{story}
--{boundary}
Content-Type: {status_type}

Reporting-MTA: dns; {hostname}
Arrival-Date: {arrival}

Final-Recipient: {address_type}; {recipient}
Action: failed
Status: {status}
{remote}Diagnostic-Code: smtp; {diagnostic}
Last-Attempt-Date: {date}

"""
_ORIGINAL: Final = """\
--{boundary}
Content-Type: {content_type}

"""
_STORY: Final = """
{before}

    {text}
"""
_BEFORE: Final = {
    0: "What came of the last attempt:",
    1: "What came of the last attempt to deliver it to {host}:",
    2: "The last answer of {host} was:",
}


_TYPES: Final = {
    ("headers", False): "text/rfc822-headers",
    ("headers", True): "message/global-headers",
    ("all", False): "message/rfc822",
    ("all", True): "message/global",
}


def headers_of(content: bytes) -> bytes:
    """The header section of a message, cut where it is too long to return."""
    end = content.find(b"\r\n\r\n")
    return content[: end + 2 if end >= 0 else len(content)][:MAX_HEADER_BYTES]


@dataclass(frozen=True, slots=True)
class Failure:
    """What a bounce reports. `original`: what is returned of the message.

    `cause`: what is behind it, `why` itself or, where we gave up, what the other side said last; None: not known.
    """

    message: Message
    why: Reply
    original: bytes
    hostname: str
    cause: Answer | None
    returns: Literal["none", "headers", "all"] = "headers"
    mailer_daemon: str | None = None  # None = mailer-daemon@hostname


def build(failure: Failure, id_: str, date: str, arrival: str) -> bytes:
    """The DSN, CRLF line ends. `id_`: its own message id; `arrival`: when the failed message came."""
    message, why, cause = failure.message, failure.why, failure.cause
    is_utf8 = not (message.recipient.isascii() and message.envelope.sender.isascii() and failure.original.isascii())
    boundary = f"={id_.replace('/', '-')}="
    text = _TEMPLATE.format(
        hostname=failure.hostname,
        mailer_daemon=failure.mailer_daemon or f"mailer-daemon@{failure.hostname}",
        sender=message.envelope.sender,
        date=date,
        id_at=id_.replace("/", "-"),
        boundary=boundary,
        recipient=message.recipient,
        reason=_plain(why),
        story=_story(why, cause),
        diagnostic=_plain(why if cause is None else cause.reply),
        arrival=arrival,
        status_type="message/global-delivery-status" if is_utf8 else "message/delivery-status",
        address_type="utf-8" if is_utf8 else "rfc822",
        status=_status(why if cause is None else cause.reply),
        remote=f"Remote-MTA: dns; {cause.host}\n" if cause is not None and cause.host else "",
    )
    if failure.returns != "none":
        text += _ORIGINAL.format(boundary=boundary, content_type=_TYPES[failure.returns, is_utf8])
    head = text.replace("\n", "\r\n").encode("utf-8", "replace")
    returned = b"" if failure.returns == "none" else failure.original + b"\r\n"
    return head + returned + f"--{boundary}--\r\n".encode()


def _story(why: Reply, cause: Answer | None) -> str:
    """What led to giving up, for people; nothing where the reason says it already."""
    if cause is None or why not in GIVEN_UP:
        return ""
    return _STORY.format(before=_BEFORE[cause.weight].format(host=cause.host), text=_plain(cause.reply))


def _plain(said: Reply) -> str:
    return re.sub(r"[\x00-\x1f\x7f]", " ", said.text)[:_LONGEST_LINE]


def _status(said: Reply) -> str:
    """Of the problem found, not 5.4.7, where we gave up: class 4, sending it again may help (RFC 3463 §2, §3.5)."""
    return f"{said.code // 100}{said.enhanced[1:] or '.0.0'}"
