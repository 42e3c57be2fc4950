"""Large messages in pieces, and back (cluster §1.5).

Pieces of one message may be delivered on both sides of a view change. Members that joined have not seen the first
ones, so at a view with joins everybody forgets what is incomplete: a message is delivered by all members of a view or
by none. What was lost so is in the STATE that every member sends in that view.
"""

from collections.abc import Callable

from momentum_node.bus.contract import MAX_MESSAGE_BYTES, Member
from momentum_node.duravip.catalogue import MessageError
from momentum_node.duravip.encoding import decode, encode_fragment
from momentum_node.duravip.messages import Envelope, Fragment, Replayed

PIECE_BYTES = MAX_MESSAGE_BYTES - 100  # room for the head of a fragment
MAX_PIECES = 256  # 15 MB: many times the largest configuration


def split(data: bytes, incarnation: int, sequence: int) -> list[bytes]:
    """What to send for the message `data`: itself, or its pieces."""
    if len(data) <= MAX_MESSAGE_BYTES:
        return [data]
    pieces = [data[at : at + PIECE_BYTES] for at in range(0, len(data), PIECE_BYTES)]
    return [encode_fragment(Fragment(incarnation, sequence, at, len(pieces), p)) for at, p in enumerate(pieces)]


class Assembler:
    """Puts messages together. One message of each sender can be under way: pieces of a sender come in order.

    `read` is `decode`; many machines in one process may share one that remembers.
    """

    def __init__(self, read: Callable[[bytes], Envelope | Fragment] = decode) -> None:
        self._decode = read
        self._partial: dict[Member, list[Fragment]] = {}
        self._newest: dict[Member, tuple[int, int]] = {}  # incarnation and number of what each said last

    def take(self, sender: Member, data: bytes) -> Envelope | None:
        """The message that `data` is or completes, None for a piece. Raises `MessageError`, so `Replayed`."""
        whole = self._whole(sender, data)
        if whole is not None:
            self._is_next(sender, whole)
        return whole

    def _is_next(self, sender: Member, message: Envelope) -> None:
        """Members number what they say. An engine delivers it once; whatever brings it again, it has no effect."""
        run, newest = self._newest.get(sender, (message.incarnation, -1))
        if run == message.incarnation and message.sequence <= newest:
            raise Replayed(f"message {message.sequence} came after {newest}")
        self._newest[sender] = message.incarnation, message.sequence

    def _whole(self, sender: Member, data: bytes) -> Envelope | None:
        part = self._decode(data)
        if isinstance(part, Envelope):
            return part
        so_far = self._partial.pop(sender, [])
        if part.index == 0:
            so_far = []
        elif not so_far or not _continues(so_far[-1], part):
            return None  # its beginning was before a view with joins
        if not part.index < part.count <= MAX_PIECES:
            raise MessageError(f"piece {part.index} of {part.count}")
        so_far.append(part)
        if part.index + 1 < part.count:
            self._partial[sender] = so_far
            return None
        whole = decode(b"".join(piece.data for piece in so_far))
        if not isinstance(whole, Envelope):
            raise MessageError("pieces of pieces")
        return whole

    def forget(self) -> None:
        """A view with joins: what is incomplete stays so."""
        self._partial.clear()

    def drop(self, members: frozenset[Member]) -> None:
        """These left: nothing more comes from them."""
        for member in members:
            self._partial.pop(member, None)
            self._newest.pop(member, None)


def _continues(last: Fragment, part: Fragment) -> bool:
    same = (last.incarnation, last.sequence, last.count) == (part.incarnation, part.sequence, part.count)
    return same and part.index == last.index + 1
