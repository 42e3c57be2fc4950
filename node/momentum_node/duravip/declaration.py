"""What this node says about itself: its configuration, and what it was told about links, drain and cordon."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from momentum_node.bus.contract import Member
from momentum_node.config.model import Address
from momentum_node.duravip.addresses import Bits, Index, Translation
from momentum_node.duravip.catalogue import Catalogue
from momentum_node.duravip.messages import Facts, Pin, State
from momentum_node.duravip.quorum import Rule
from momentum_node.duravip.vip import Definition, Identity, Policy, address_order

NO_TOPOLOGY = "no Topology entry matches it"
NO_CANDIDATE = "it is not one of its Duravip_Candidates"


class Declaration:
    """The local half of STATE. Catalogues once used stay known: reports that name them may be on their way."""

    def __init__(self, identity: Identity, definitions: Sequence[Definition], policy: Policy) -> None:
        self._identity = identity
        self._usable: frozenset[Address] | None = None
        self._reason = ""
        self._unsure = self._doubtful = frozenset[Address]()
        self._doubt = ""
        self._facts: Facts | None = None  # as last put together
        self._macs = identity.macs
        self.catalogues: dict[bytes, Catalogue] = {}
        self.draining = False
        self.cordoned = False
        self.claiming = policy.failback_delay_s <= 0
        self.configure(definitions, policy)

    def configure(self, definitions: Sequence[Definition], policy: Policy) -> None:
        """A configuration is in use from now on."""
        self.definitions = {definition.address: definition for definition in definitions}
        self.policy = policy
        self.catalogue = Catalogue.of(definitions)
        self.catalogues[self.catalogue.digest] = self.catalogue
        index = self.catalogue.index
        ranks = 1 + max((d.rank for d in definitions if d.claim), default=0)
        self._claims = [index.bits(d.address for d in definitions if d.claim and d.rank == r) for r in range(ranks)]
        self._unplaced = index.bits(d.address for d in definitions if not d.has_topology)
        self._excluded = index.bits(d.address for d in definitions if not d.may_serve)
        self._waiting, self._unclaimed = 0, frozenset[Address]()
        self._update()

    def hold_claims(self, addresses: frozenset[Address]) -> None:
        """These are not claimed for now: they were lost here lately (R10). Told at every event, mostly the same."""
        if addresses is self._unclaimed:
            return
        self._unclaimed = addresses
        waiting = self.catalogue.index.bits(addresses)
        if waiting != self._waiting:
            self._waiting, self._facts = waiting, None

    def forget_old_catalogues(self) -> None:
        """Nothing of ours is on its way: only the catalogue in use can be named."""
        if len(self.catalogues) > 1:
            self.catalogues = {self.catalogue.digest: self.catalogue}

    def use(self, usable: frozenset[Address], reason: str | None) -> None:
        """Only these can be served here now."""
        self._usable, self._reason = usable, reason or "cannot be served"
        self._update()

    def doubt(self, unsure: frozenset[Address], doubtful: frozenset[Address], reason: str) -> None:
        """As `doubt.py` has it."""
        self._unsure, self._doubtful, self._doubt, self._facts = unsure, doubtful, reason, None

    def plumb_on(self, macs: tuple[bytes, ...]) -> None:
        """The hardware addresses of our interfaces."""
        if macs != self._macs:
            self._macs, self._facts = macs, None

    def _update(self) -> None:
        index = self.catalogue.index
        self._facts = None
        self._unusable = self._unplaced | self._excluded
        if self._usable is not None:
            self._unusable |= index.everything & ~index.bits(self._usable)

    def facts(self) -> Facts:
        """As STATE carries them."""
        said = (self.draining, self.cordoned, self.claiming)
        if self._facts is None or (self._facts.draining, self._facts.cordoned, self._facts.claiming) != said:
            self._facts = self._state_facts()
        return self._facts

    def _state_facts(self) -> Facts:
        first, *others = (claims & ~self._waiting for claims in self._claims)
        return Facts(
            name=self._identity.node_name,
            address=self._identity.node_addr,
            draining=self.draining,
            cordoned=self.cordoned,
            claiming=self.claiming,
            rule=Rule.of(self.policy),
            digest=self.catalogue.digest,
            claims=first,
            unusable=self._unusable,
            unusable_reason=self._why_unusable(),
            fallbacks=tuple(others),
            balance_set_size=self.policy.balance_set_size,
            macs=self._macs,
            weight=self.policy.weight,
            unsure=self.catalogue.index.bits(self._unsure),
            doubtful=self.catalogue.index.bits(self._doubtful),
            doubt=self._doubt,
        )

    def _why_unusable(self) -> str:
        if self._unusable & ~(self._unplaced | self._excluded):
            return self._reason
        if self._unplaced:
            return NO_TOPOLOGY
        return NO_CANDIDATE if self._excluded else ""

    def state(
        self,
        index: Index,
        *,
        gather: bool,
        view: bytes,
        mature: bool,
        holds: Bits,
        owns: Bits,
        failed: Mapping[str, Bits],
        starting: bool = False,
        departures: Mapping[str, int] = MappingProxyType({}),
        suspected: Iterable[Member] = (),
        pins: Iterable[Pin] = (),
    ) -> State:
        """STATE, from sets over `index`."""
        own = self.catalogue.index
        carry = Translation(index, own)
        undeclared = holds & ~Translation(own, index)(own.everything)
        return State(
            gather=gather,
            view=view,
            mature=mature,
            facts=self.facts(),
            holds=carry(holds),
            owns=carry(owns),
            failed=tuple(sorted((reason, carry(bits)) for reason, bits in failed.items())),
            strays=tuple(index.select(undeclared)),
            starting=starting,
            departures=tuple(sorted(departures.items())),
            suspected=tuple(sorted(suspected)),
            pins=tuple(sorted(pins, key=lambda pin: address_order(pin.address))),
        )
