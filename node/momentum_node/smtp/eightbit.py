"""8-bit content for a server that does not offer 8BITMIME (RFC 6152 §3). Pure.

`Transform_8BitMime_Content`   no: as it is     ifneeded: parts of MIME messages are recoded, the rest goes as it is
                               strict: recoded, or the message fails     strip: the eighth bit of each byte is dropped
"""

from binascii import b2a_base64, b2a_qp
from email.errors import MessageError
from email.generator import BytesGenerator
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from io import BytesIO
from typing import Final, Literal, TypeAlias

from momentum_node.smtp.reply import Reply, reply

Transform: TypeAlias = Literal["no", "ifneeded", "strict", "strip"]
CANNOT: Final = reply(554, "5.6.3", "[internal] 8-bit content that cannot be converted, and 8BITMIME is not offered")
_POLICY: Final = compat32.clone(linesep="\r\n", max_line_length=0)
_PLAIN: Final = frozenset({"7bit", "8bit", "binary"})
# Where the lower seven bits would be a control character there is none: it might end a line, or a message.
_SEVEN: Final = bytes(one if one < 128 else one & 127 if 32 <= one & 127 < 127 else ord("?") for one in range(256))


def transformed(content: bytes, transform: Transform) -> bytes | Reply:
    """What goes out instead; a reply: the message fails with it."""
    if transform == "no" or content.isascii():
        return content
    if transform == "strip":
        return content.translate(_SEVEN)
    try:
        recoded = recode(content)
    except (MessageError, RecursionError, ValueError, LookupError, TypeError, AttributeError):  # a stranger made it
        recoded = content
    if transform == "strict" and not recoded.isascii():
        return CANNOT
    return recoded


def recode(content: bytes) -> bytes:
    """The message with its 8-bit parts as quoted-printable or base64. Header fields stay as they are, 8-bit ones too,
    and so does all of a message that is not MIME."""
    message = BytesParser(policy=_POLICY).parsebytes(content)
    if "MIME-Version" not in message:
        return content
    for part in message.walk():
        _recode_part(part)
    made = BytesIO()
    BytesGenerator(made, mangle_from_=False, maxheaderlen=0, policy=_POLICY).flatten(message)
    return made.getvalue()


def _recode_part(part: Message) -> None:
    if part.is_multipart():
        if "Content-Transfer-Encoding" in part:  # 8bit or binary: of a composite nothing else may stand there
            part.replace_header("Content-Transfer-Encoding", "7bit")
        return
    if str(part.get("Content-Transfer-Encoding", "7bit")).strip().lower() not in _PLAIN:  # 8-bit in there is broken
        return
    raw = part.get_payload(decode=True)
    if not isinstance(raw, bytes) or raw.isascii():
        return
    is_text = part.get_content_maintype() == "text"
    encoding, encoded = ("quoted-printable", _quoted(raw)) if is_text else ("base64", _base64(raw))
    del part["Content-Transfer-Encoding"]
    part["Content-Transfer-Encoding"] = encoding
    part.set_payload(encoded)


def _quoted(raw: bytes) -> str:
    """RFC 2045 §6.7; a CR or LF that ends no line is data."""
    lines = (b2a_qp(line, istext=False).replace(b"=\n", b"=\r\n") for line in raw.split(b"\r\n"))
    return b"\r\n".join(lines).decode("ascii")


def _base64(raw: bytes) -> str:
    lines = (b2a_base64(raw[at : at + 57], newline=False) for at in range(0, len(raw), 57))
    return b"\r\n".join((*lines, b"")).decode("ascii")
