"""What this node says about itself: its configuration, and what it was told about links, drain and cordon."""

from collections.abc import Mapping, Sequence

from momentum_node.config.model import Address
from momentum_node.duravip.addresses import Bits, Index, Translation
from momentum_node.duravip.catalogue import Catalogue
from momentum_node.duravip.messages import Facts, State
from momentum_node.duravip.quorum import Rule
from momentum_node.duravip.vip import Definition, Identity, Policy

NO_TOPOLOGY = "no Topology entry matches it"


class Declaration:
    """The local half of STATE. Catalogues once used stay known: reports that name them may be on their way."""

    def __init__(self, identity: Identity, definitions: Sequence[Definition], policy: Policy) -> None:
        self._identity = identity
        self._usable: frozenset[Address] | None = None
        self._reason = ""
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
        self._claims = self.catalogue.index.bits(d.address for d in definitions if d.claim)
        self._unplaced = self.catalogue.index.bits(d.address for d in definitions if not d.has_topology)
        self._update()

    def forget_old_catalogues(self) -> None:
        """Nothing of ours is on its way: only the catalogue in use can be named."""
        if len(self.catalogues) > 1:
            self.catalogues = {self.catalogue.digest: self.catalogue}

    def use(self, usable: frozenset[Address], reason: str | None) -> None:
        """Only these can be served here now."""
        self._usable, self._reason = usable, reason or "cannot be served"
        self._update()

    def _update(self) -> None:
        index = self.catalogue.index
        self._unusable = self._unplaced
        if self._usable is not None:
            self._unusable |= index.everything & ~index.bits(self._usable)

    def facts(self) -> Facts:
        """As STATE carries them."""
        down = self._unusable & ~self._unplaced
        why = self._reason if down else NO_TOPOLOGY if self._unplaced else ""
        return Facts(
            name=self._identity.node_name,
            address=self._identity.node_addr,
            draining=self.draining,
            cordoned=self.cordoned,
            claiming=self.claiming,
            rule=Rule.of(self.policy),
            digest=self.catalogue.digest,
            claims=self._claims,
            unusable=self._unusable,
            unusable_reason=why,
        )

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
        )
