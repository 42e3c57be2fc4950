"""What this node may have on the wire, and how far each address got. Sets are over the machine's index.

asked ──▶ plumbed ──▶ releasing ──▶ gone (RELEASED queued) ──▶ blocked until RELEASED came back
  └── voided by a gather: still held, because the kernel call may be under way (S1)
"""

from momentum_node.config.model import Address
from momentum_node.duravip.addresses import Bits, Index, Translation
from momentum_node.duravip.messages import ADDRESSES_PER_MESSAGE, Cleared, Failed, Released


class Holds:
    """Facts of this node only; the table's `holds` is what the group believes."""

    def __init__(self) -> None:
        self.held: Bits = 0  # asked for once and not confirmed gone: possibly on the wire (S1)
        self.asked: Bits = 0  # a Plumb was handed out under a ticket that still holds
        self.plumbed: Bits = 0
        self.releasing: Bits = 0
        self.failed: dict[str, Bits] = {}
        self._removed: Bits = 0  # gone, to be told in the next RELEASED
        self._unused: Bits = 0
        self._failing: dict[str, Bits] = {}
        self._cleared: Bits = 0
        self._blocked: list[tuple[int, Bits]] = []

    def ask(self, bits: Bits) -> None:
        """A Plumb is handed out."""
        self.asked |= bits
        self.held |= bits

    def void(self) -> None:
        """Tickets end (S7); what is held stays held."""
        self.asked = 0

    def has_plumbed(self, bits: Bits) -> None:
        """The driver put them up."""
        self.plumbed |= bits & self.held & ~self.releasing

    def release(self, bits: Bits) -> None:
        """An Unplumb is handed out."""
        self.releasing |= bits
        self.asked &= ~bits

    def has_unplumbed(self, bits: Bits) -> None:
        """The driver took them down, asked to or not."""
        bits &= self.held
        self._removed |= bits & self.plumbed
        self._unused |= bits & ~self.plumbed
        self._forget(bits)

    def give_back(self, bits: Bits) -> None:
        """The table says that we hold these; nothing was ever done with them, and now they belong elsewhere."""
        self._unused |= bits

    def has_failed(self, bit: Bits, reason: str) -> None:
        """The driver cannot put it up; nothing of it is left. Ignored while its removal is under way."""
        if bit & self.releasing:
            return
        self.has_cleared(bit)
        self._cleared &= ~bit
        self._failing[reason] = self._failing.get(reason, 0) | bit
        self.failed[reason] = self.failed.get(reason, 0) | bit
        self._forget(bit)

    def has_cleared(self, bit: Bits) -> None:
        """Nothing stands in the way any more."""
        for failures in (self.failed, self._failing):
            for reason in [reason for reason, bits in failures.items() if bits & bit]:
                failures[reason] &= ~bit
                self._cleared |= bit
                if not failures[reason]:
                    del failures[reason]

    def _forget(self, bits: Bits) -> None:
        self.held &= ~bits
        self.asked &= ~bits
        self.plumbed &= ~bits
        self.releasing &= ~bits

    # -- telling the group -----------------------------------------------------------------------

    def news(self, index: Index) -> list[Released | Failed | Cleared]:
        """What the group must be told, once; RELEASED first, each message small enough to travel whole."""
        if not (self._removed or self._unused or self._failing or self._cleared):
            return []
        news: list[Released | Failed | Cleared] = [Released(part, ()) for part in _portions(index, self._removed)]
        news += [Released((), part) for part in _portions(index, self._unused)]
        for reason, bits in self._failing.items():
            news += [Failed(part, reason) for part in _portions(index, bits)]
        news += [Cleared(part) for part in _portions(index, self._cleared)]
        self._removed = self._unused = self._cleared = 0
        self._failing = {}
        return news

    @property
    def untold(self) -> Bits:
        """Gone or failed, and not yet in a message."""
        bits = self._removed | self._unused
        for failing in self._failing.values():
            bits |= failing
        return bits

    def told(self, sequence: int, news: Released | Failed | Cleared, index: Index) -> None:
        """Do nothing with what is gone until our message `sequence` came back (S3)."""
        match news:
            case Released(removed, unused):
                self._blocked.append((sequence, index.bits((*removed, *unused))))
            case Failed(addresses, _):
                self._blocked.append((sequence, index.bits(addresses)))
            case Cleared():
                pass

    def came_back(self, sequence: int) -> None:
        """Our messages up to this one were delivered."""
        self._blocked = [(number, bits) for number, bits in self._blocked if number > sequence]

    @property
    def blocked(self) -> Bits:
        """Told to be gone, and the telling has not come back."""
        bits = self.untold
        for _, some in self._blocked:
            bits |= some
        return bits

    def carry(self, carry: Translation) -> None:
        """The machine's index changed."""
        for name in ("held", "asked", "plumbed", "releasing", "_removed", "_unused", "_cleared"):
            setattr(self, name, carry(getattr(self, name)))
        self.failed = {reason: carry(bits) for reason, bits in self.failed.items()}
        self._failing = {reason: carry(bits) for reason, bits in self._failing.items()}
        self._blocked = [(number, carry(bits)) for number, bits in self._blocked]


def _portions(index: Index, bits: Bits) -> list[tuple[Address, ...]]:
    addresses = index.select(bits)
    starts = range(0, len(addresses), ADDRESSES_PER_MESSAGE)
    return [tuple(addresses[at : at + ADDRESSES_PER_MESSAGE]) for at in starts]
