"""What the table asks of this node, compared with what it holds: the effects that are due.

Releases first; nothing is asked twice under one ticket; a ticket that is gone takes its effect along (S7).
"""

from momentum_node.bus.contract import Member
from momentum_node.config.model import Address
from momentum_node.duravip.addresses import Bits, Index, Translation
from momentum_node.duravip.holds import Holds
from momentum_node.duravip.messages import Contested
from momentum_node.duravip.table import Table
from momentum_node.duravip.vip import Announce, Contest, Plumb, Unplumb


class Orders:
    """Plumb, Unplumb, Contest and Announce, queued until the driver takes them."""

    def __init__(self, local: Member, holds: Holds) -> None:
        self._local = local
        self._holds = holds
        self._plumbs: dict[Address, Plumb] = {}
        self._unplumbs: list[Unplumb] = []
        self._announced: Bits = 0
        self._reminded: Bits = 0
        self._contests: list[Contest] = []

    def void(self) -> None:
        """A gather: all tickets end, also those whose Plumb was not handed out yet."""
        self._holds.void()
        self._plumbs.clear()

    def withdraw(self, vip: Address) -> None:
        """The driver has dealt with it already."""
        self._plumbs.pop(vip, None)

    def announce(self, bits: Bits) -> None:
        """Those of them that are up here are announced anew: another one had them."""
        self._announced |= bits & self._holds.plumbed

    def remind(self) -> None:
        """The membership changed: all that is up here is announced again."""
        self._reminded |= self._holds.plumbed

    def contest(self, index: Index, witness: Member, word: Contested) -> None:
        """A member hears somebody for these: it matters for those that are to be plumbed here and are not yet."""
        waiting = self._holds.held & ~(self._holds.plumbed | self._holds.releasing)
        hit = index.select(index.bits(word.addresses) & waiting)
        self._contests += [Contest(vip, witness, word.mac) for vip in hit]

    def let_go(self, table: Table, *, is_quorate: bool, grace_s: float) -> None:
        """Release what is held and not owned; give back what was granted and never taken."""
        holds, me = self._holds, table.standings.get(self._local)
        owned = me.owns if me else 0
        release = holds.held & ~owned & ~holds.releasing
        if release:
            useless = table.held_by_others(self._local) | (me.unusable if me else 0)
            at_once = release & useless if me and is_quorate else release
            self._release(table.index, at_once, 0.0)
            self._release(table.index, release & ~at_once, grace_s)
        holds.give_back((me.holds if me else 0) & ~owned & ~holds.held & ~holds.blocked)

    def _release(self, index: Index, bits: Bits, grace_s: float) -> None:
        for address in index.select(bits):
            self._plumbs.pop(address, None)
            self._unplumbs.append(Unplumb(address, grace_s))
        self._holds.release(bits)

    def take(self, table: Table) -> None:
        """Plumb what the table grants and nothing is under way for."""
        holds = self._holds
        bits = table.tickets(self._local) & ~(holds.plumbed | holds.releasing | holds.asked | holds.blocked)
        if not bits:
            return
        for address in table.index.select(bits):
            self._plumbs[address] = Plumb(address, planned=bool(table.index.bit(address) & table.vacated))
        holds.ask(bits)

    def carry(self, carry: Translation) -> None:
        """The machine's index changed."""
        self._holds.carry(carry)
        self._announced, self._reminded = carry(self._announced), carry(self._reminded)

    def releases(self) -> list[Unplumb]:
        """Handed out once."""
        queued, self._unplumbs = self._unplumbs, []
        return queued

    def acquisitions(self, index: Index) -> list[Plumb | Contest | Announce]:
        """Handed out once."""
        if not self._plumbs and not self._announced and not self._reminded and not self._contests:
            return []
        plumbs, self._plumbs = self._plumbs, {}
        contests, self._contests = self._contests, []
        return [*plumbs.values(), *contests, *self._announcements(index)]

    def _announcements(self, index: Index) -> list[Announce]:
        here = self._holds.plumbed & ~self._holds.releasing
        anew, again = self._announced & here, self._reminded & here & ~self._announced
        self._announced = self._reminded = 0
        found = [Announce(tuple(index.select(anew)))] if anew else []
        return [*found, Announce(tuple(index.select(again)), is_known=True)] if again else found
