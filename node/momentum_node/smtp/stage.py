"""What an outbound connection waits for; the numbers are those of the logs. Pure."""

from enum import IntEnum
from typing import Final

from momentum_node.smtp.reply import Reply, reply


class Stage(IntEnum):
    """The command whose reply is due."""

    IDLE = 1
    MAIL = 3
    RCPT = 5
    DATA = 7
    DOT = 9
    EHLO = 11
    BANNER = 12
    RSET = 14
    STARTTLS = 16
    TLS = 17
    XCLIENT = 20
    QUIT = 22


_SILENCE: Final = {
    Stage.BANNER: "no banner",
    Stage.EHLO: "no EHLO response",
    Stage.MAIL: "no MAIL FROM response",
    Stage.RCPT: "no RCPT TO response",
    Stage.DATA: "no DATA response",
    Stage.DOT: "no response to message body",
    Stage.RSET: "no RSET response",
    Stage.STARTTLS: "no STARTTLS response",
    Stage.XCLIENT: "no XCLIENT response",
}


def silence(stage: Stage) -> Reply:
    """What became of a connection that waited in vain."""
    return reply(451, "4.4.2", f"[internal] {_SILENCE.get(stage, 'no response')}")
