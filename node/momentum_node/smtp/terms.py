"""What one outbound connection is opened with. Values only; looked up when it is opened, and kept by it to its end."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from momentum_node.config.model import Wish

Method: TypeAlias = Literal["ESMTP", "SMTP", "LMTP"]


@dataclass(frozen=True, slots=True)
class Terms:
    """How to greet the server, and what has to be before a letter goes out."""

    ehlo_name: str
    method: Method = "ESMTP"
    tls: Wish = "no"
    in_clear: bool = True  # with `tls` ifavailable: a server that refuses STARTTLS gets the letters in the clear
    xclient: Wish = "no"


@dataclass(frozen=True, slots=True)
class Origin:
    """The client that brought a message, as XCLIENT tells it; "" where that is not known."""

    address: str = ""
    port: str = ""

    @classmethod
    def of(cls, text: str) -> "Origin":
        """From `ip:port`, as an envelope keeps it."""
        address, _, port = text.rpartition(":")
        return cls(address.strip("[]"), port)

    def command(self, offered: frozenset[str]) -> bytes:
        """The XCLIENT line with the attributes that the server knows (Postfix, XCLIENT_README)."""
        address = f"IPV6:{self.address}" if ":" in self.address else self.address
        given = {"ADDR": address, "PORT": self.port, "NAME": ""}
        words = [f"{name}={value or '[UNAVAILABLE]'}" for name, value in given.items() if name in offered]
        return f"XCLIENT {' '.join(words)}\r\n".encode()


UNKNOWN: Final = Origin()
