"""Which binding a message leaves from: policy, rules, sender's domain, default; and which member of a group. Pure.

1. a choice of policy code or of an operator: a binding, or a group
2. the first `regex_binding2` rule that matches; several targets are taken in turn
3. `Match_Domain`, then the DuraVIP that the message came in on (`assignment`)
4. `default`, or no binding at all (`Default_Binding = none`)

A group gives an unsuspended binding that is local, else one that another node owns, else (all are suspended) a local
one; within a class at random. A binding whose address is nowhere is passed over.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser
from email.policy import compat32
from typing import Final, Protocol

from momentum_node.config.model import Address, Place
from momentum_node.config.tree import Scope
from momentum_node.errors import ConfigurationError
from momentum_node.spool.assignment import DEFAULT, Assignment
from momentum_node.spool.conditions import LONGEST_BODY, BadCondition, Test, parse
from momentum_node.spool.message import Context

GROUP_PREFIX: Final = "group:"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message to one recipient, before it is queued."""

    sender: str
    sender_domain: str  # lower case
    recipient: str
    received_on: Address | None
    received_port: int
    client: Address | None
    head: bytes  # the header section
    body: bytes = b""  # its first LONGEST_BODY bytes
    context: Context = ()  # of the session

    def values(self, name: str) -> Iterator[str]:
        """See `conditions.Arrived`."""
        if name.startswith("header:"):
            yield from self.headers(name[7:])
        elif name == "body":
            yield from (line.decode("utf-8", "replace") for line in self.body[:LONGEST_BODY].splitlines())
        else:
            simple = {
                "mailfrom": self.sender,
                "rcptto": self.recipient,
                "recv_ip": str(self.received_on or ""),
                "recv_port": str(self.received_port),
                "sender_ip": str(self.client or ""),
            }
            yield simple[name]

    def headers(self, name: str) -> list[str]:
        """All values of one header, unfolded."""
        parsed = BytesHeaderParser(policy=compat32).parsebytes(self.head)
        return [" ".join(str(value).split()) for value in parsed.get_all(name) or ()]


@dataclass(frozen=True, slots=True)
class BindingState:
    """What a binding can do here and now."""

    is_local: bool  # a DuraVIP that this node owns, or no DuraVIP
    is_plumbed: bool  # its address is on this host, or the kernel chooses one
    has_owner: bool  # a DuraVIP that some node owns, or no DuraVIP
    is_suspended: bool

    @property
    def is_usable(self) -> bool:
        """Mail for it can leave from somewhere."""
        return self.is_plumbed if self.is_local else self.has_owner


class States(Protocol):
    """Who knows the bindings' states."""

    def state(self, binding: str) -> BindingState:
        """Of a binding that is configured."""
        ...


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of `regex_binding2`."""

    targets: tuple[str, ...]  # bindings, or one `group:NAME`
    test: Test


@dataclass(frozen=True, slots=True)
class Choice:
    """`binding` None: refuse the message for now. `error`: what the paniclog should hear."""

    binding: str | None
    error: str | None = None


@dataclass(slots=True)
class Chooser:
    """The rules of one generation. `pick` chooses one of several alike (at random, in a running node)."""

    assignment: Assignment
    groups: Mapping[str, Sequence[str]]
    states: States
    pick: Callable[[Sequence[str]], str]
    rules: Sequence[Rule] = ()
    refuses_default: bool = False
    _turns: dict[int, int] = field(default_factory=dict)

    def choose(self, arrival: Arrival, wanted: str | None = None) -> Choice:
        """`wanted`: step 1's answer, a binding, a group, or None when there is none."""
        error = None
        if wanted is not None:
            chosen = self._named(wanted)
            if chosen is not None:
                return chosen
            error = f"policy chose '{wanted}', which is neither a binding nor a group"
        ruled = self._ruled(arrival)
        if ruled is not None:
            return Choice(ruled.binding, ruled.error or error)
        binding = self.assignment.choose(arrival.sender_domain, arrival.received_on)
        if binding == DEFAULT and self.refuses_default:
            return Choice(None, error)
        return Choice(binding, error)

    def group(self, name: str) -> Choice:
        """A member of the group; `default`, and an error, when there is none to choose."""
        members = [(one, self.states.state(one)) for one in self.groups.get(name, ())]
        usable = [(one, state) for one, state in members if state.is_usable]
        for wanted in (
            [one for one, state in usable if not state.is_suspended and state.is_local],
            [one for one, state in usable if not state.is_suspended],
            [one for one, state in usable if state.is_local],
            [one for one, _ in usable],
        ):
            if wanted:
                return Choice(self.pick(wanted))
        why = "has no binding with an address" if name in self.groups else "is not configured"
        return Choice(DEFAULT, f"binding group '{name}' {why}: its mail goes to '{DEFAULT}'")

    def _named(self, wanted: str) -> Choice | None:
        if wanted.startswith(GROUP_PREFIX):
            return self.group(wanted.removeprefix(GROUP_PREFIX))
        if self.assignment.existing(wanted) == wanted:
            return Choice(wanted)
        return self.group(wanted) if wanted in self.groups else None

    def _ruled(self, arrival: Arrival) -> Choice | None:
        for number, rule in enumerate(self.rules):
            if not rule.test(arrival):
                continue
            turn = self._turns[number] = self._turns.get(number, -1) + 1
            target = rule.targets[turn % len(rule.targets)]
            chosen = self._named(target)
            if chosen is not None:
                return chosen
            return Choice(
                self.assignment.choose(arrival.sender_domain, arrival.received_on),
                f"regex_binding2 names '{target}', which is not configured",
            )
        return None


def rules_of(tree: Scope, place: Callable[[int], Place]) -> tuple[list[Rule], list[str]]:
    """The rules of all `regex_binding2` stanzas in file order, and what is wrong with those that are left out."""
    rules, wrong = [], []
    for scope in tree.all("regex_binding2"):
        for setting in scope.settings.values():
            targets = tuple(name.strip() for name in setting.name.split(",") if name.strip())
            try:
                rules.append(Rule(targets, parse(str(getattr(setting.value, "text", "")))))
            except (BadCondition, ConfigurationError) as error:
                wrong.append(f"{place(setting.at)}: regex_binding2 {setting.name}: {error}")
    return rules, wrong


def groups_of(tree: Scope) -> dict[str, tuple[str, ...]]:
    """The bindings of each group; `default` has those without one, and `default` itself."""
    groups = {
        group.instance or "": tuple(key for kind, key in group.children if kind == "binding")
        for group in tree.all("binding_group")
    }
    alone = [key for kind, key in tree.children if kind == "binding" and key != DEFAULT]
    groups[DEFAULT] = (DEFAULT, *alone, *groups.get(DEFAULT, ()))
    return groups
