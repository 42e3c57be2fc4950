"""Commands of the cluster module that are answered from a node's own state, word for word as a console prints them.

    cluster arp show                  10.0.0.4         [00:e0:81:63:5c:e8]  43s
    cluster duravip announce view     view announced.
    cluster help                      what there is

Pure: what a command asks of the node goes through `Answering` (cluster §4.2).
"""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Final, Protocol

from momentum_node.duravip.sharedarp import Neighbour, shown
from momentum_node.errors import MomentumError


class CommandRefused(MomentumError):
    """The command is not known, or cannot be carried out now; the text says what to do."""


class Answering(Protocol):
    """The node, as far as these commands need it."""

    def neighbours(self) -> Sequence[Neighbour]:
        """The shared ARP table, by address."""
        ...

    def announce_view(self) -> bool:
        """Say anew what this member is, and compare its addresses with the kernel's; False when it is no member."""
        ...


def _help(_node: Answering, _now: float) -> str:
    return "\n".join(f"cluster {words}  {COMMANDS[words][0]}" for words in sorted(COMMANDS))


def _arp_show(node: Answering, now: float) -> str:
    return "\n".join(shown(node.neighbours(), now))


def _announce_view(node: Answering, _now: float) -> str:
    if not node.announce_view():
        raise CommandRefused("this node is not a member now: try again when `momentum-node status` says RUN")
    return "view announced."


COMMANDS: Final[Mapping[str, tuple[str, Callable[[Answering, float], str]]]] = {
    "arp show": ("neighbours that any member knows, and who is told of an address that moves", _arp_show),
    "duravip announce view": ("say anew what this member is, and look at its addresses", _announce_view),
    "help": ("these lines", _help),
}
"""Words → meaning in one line, and what answers. `now` is the clock by which neighbours were seen."""


def answer(words: Sequence[str], node: Answering, now: float) -> str:
    """What the command prints, without a last line end. Raises `CommandRefused`."""
    text = " ".join(words).lower()
    if text not in COMMANDS:
        near = get_close_matches(text, COMMANDS, 1)
        advice = f"did you mean `cluster {near[0]}`?" if near else "`cluster help` lists the commands"
        raise CommandRefused(f"`cluster {text}` is no command: {advice}")
    return COMMANDS[text][1](node, now)
