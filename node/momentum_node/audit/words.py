"""`inbound_audit show ip IP[/MASK]`: the question, and what a console prints. Pure.

Connections 300/0: 3          length of the windows in seconds / number of the window, 0 = the current one
Receptions 300/0: 2
"""

from ipaddress import ip_network
from typing import Final, Literal, TypedDict

from momentum_node.audit.windows import Look
from momentum_node.config.model import Network

_KINDS: Final[tuple[Literal["connections", "receptions", "rejections"], ...]] = (
    "connections",
    "receptions",
    "rejections",
)


class Window(TypedDict):
    """One window of one monitor."""

    window_s: int
    window: int
    connections: int
    receptions: int
    rejections: int


class Answer(TypedDict):
    """What the addresses of `block` did."""

    block: str
    dropped: int  # addresses, of any block, that were forgotten before their time since the core began
    windows: list[Window]


def block_of(text: str) -> Network:
    """`IP[/MASK]`; host bits do not matter, as in the original. Raises `ValueError` with what is wrong."""
    address, slash, mask = text.strip().partition("/")
    try:
        return ip_network(address.removeprefix("[").removesuffix("]") + slash + mask, strict=False)
    except ValueError:
        form = "write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/64"
        raise ValueError(f"'{text}' is no address and no block: {form}") from None


def answered(block: Network, look: Look, dropped: int, now: float) -> Answer:
    """Of a finished look."""
    windows = [
        Window(
            window_s=length,
            window=window,
            connections=counts.connections,
            receptions=counts.receptions,
            rejections=counts.rejections,
        )
        for length, window, counts in look.rows(now)
    ]
    return Answer(block=str(block), dropped=dropped, windows=windows)


def described(answer: Answer) -> str:
    """As a console prints it: of each monitor its connections, receptions, rejections."""
    lengths = dict.fromkeys(window["window_s"] for window in answer["windows"])
    return "\n".join(
        f"{kind.capitalize()} {length}/{window['window']}: {window[kind]}"
        for length in lengths
        for kind in _KINDS
        for window in answer["windows"]
        if window["window_s"] == length
    )
