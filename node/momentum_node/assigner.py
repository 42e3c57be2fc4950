"""The driver of assignment in a mail worker: rules of the running generation, the policy file, the bindings' states."""

import random
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from momentum_node.clock import monotonic
from momentum_node.config.model import Address
from momentum_node.errors import ConfigurationError
from momentum_node.log import logger
from momentum_node.policy import TIMEOUT_S, Policy
from momentum_node.spool.assignment import Assignment
from momentum_node.spool.choice import Arrival, BindingState, Chooser, groups_of, rules_of
from momentum_node.spool.lookup import Lookup

LOOK_S: Final = 5.0  # how long we believe that an address is, or is not, on this host
LOG_INTERVAL_S: Final = 60.0


class Assigner:
    """Chooses the binding of each new message. `holds` tells whether a DuraVIP is on this node."""

    def __init__(self, lookup: Lookup, holds: Callable[[Address], bool]) -> None:
        self._holds = holds
        self._plumbed: dict[Address, tuple[bool, float]] = {}
        self._owners: Mapping[str, str | None] = {}
        self._said: dict[str, float] = {}
        self._policy: Policy | None = None
        self._policy_failures = 0
        self.configure(lookup)

    @property
    def policy_failures(self) -> int:
        """How often the policy file failed to answer, since the start."""
        return self._policy_failures + (0 if self._policy is None else self._policy.failures)

    @property
    def looks_inside(self) -> bool:
        """Somebody wants to see the content: rules, or a policy."""
        return self._policy is not None or bool(self._chooser.rules)

    @property
    def has_policy(self) -> bool:
        """Use `ask`, not `choose`."""
        return self._policy is not None

    def configure(self, lookup: Lookup) -> None:
        """Use this generation from now on; a policy file that cannot be loaded is left out, loudly."""
        self._lookup = lookup
        rules, wrong = rules_of(lookup.tree, lookup.sources.place)
        for text in wrong:
            self._complain(f"a rule is left out: {text}")
        self._chooser = Chooser(
            Assignment(lookup.node.bindings),
            groups_of(lookup.tree),
            self,
            random.choice,
            rules,
            refuses_default=lookup.tree.value("default_binding") == "none",
        )
        self._load_policy(lookup)

    def heed(self, owners: Mapping[str, str | None]) -> None:
        """Who owns each binding that moves, None: nobody now. Before the first view somebody owns every one."""
        self._owners = owners

    def _load_policy(self, lookup: Lookup) -> None:
        if self._policy is not None:
            self._policy_failures += self._policy.failures
            self._policy.close()
            self._policy = None
        path, limit = lookup.tree.value("policy_file"), lookup.tree.value("policy_timeout")
        if not path:
            return
        try:
            self._policy = Policy(Path(str(path)), float(limit) if isinstance(limit, int) else TIMEOUT_S)
        except ConfigurationError as error:
            self._complain(f"without policy: {error}")

    # -- choosing

    def choose(self, arrivals: Sequence[Arrival]) -> list[str] | None:
        """A binding for each message of one transaction; None: refuse it for now."""
        return self._chosen([(arrival, None) for arrival in arrivals])

    async def ask(self, arrivals: Sequence[Arrival]) -> list[str] | None:
        """As `choose`, the policy first."""
        policy = self._policy
        wanted = [(arrival, None if policy is None else await policy.assign(arrival)) for arrival in arrivals]
        return self._chosen(wanted)

    def _chosen(self, wanted: Sequence[tuple[Arrival, str | None]]) -> list[str] | None:
        bindings = []
        for arrival, name in wanted:
            choice = self._chooser.choose(arrival, name)
            if choice.error is not None:
                self._complain(choice.error)
            if choice.binding is None:
                return None
            bindings.append(choice.binding)
        return bindings

    # -- states (`choice.States`)

    def state(self, binding: str) -> BindingState:
        """See `States`. A DuraVIP that is not here is another node's, unless the view knows no owner."""
        known = self._lookup.node.bindings[binding]
        is_suspended = self._lookup.outbound(binding, "").suspend_delivery
        if known.address is None:
            return BindingState(is_local=True, is_plumbed=True, has_owner=True, is_suspended=is_suspended)
        if known.duravip:
            is_here, has_owner = self._holds(known.address), self._owners.get(binding, "") is not None
            return BindingState(is_local=is_here, is_plumbed=is_here, has_owner=has_owner, is_suspended=is_suspended)
        is_plumbed = self._is_plumbed(known.address)
        return BindingState(is_local=True, is_plumbed=is_plumbed, has_owner=True, is_suspended=is_suspended)

    def _is_plumbed(self, address: Address) -> bool:
        now = monotonic()
        known = self._plumbed.get(address)
        if known is None or now - known[1] > LOOK_S:
            known = self._plumbed[address] = (_can_bind(address), now)
        return known[0]

    def _complain(self, text: str) -> None:
        """Once a minute for the same text."""
        now = monotonic()
        if now - self._said.get(text, float("-inf")) < LOG_INTERVAL_S:
            return
        if len(self._said) > 1000:
            self._said.clear()
        self._said[text] = now
        logger().error("assignment", reason=text)


def _can_bind(address: Address) -> bool:
    """The address is on this host."""
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((str(address), 0))
        except OSError:
            return False
    return True
