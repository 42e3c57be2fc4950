"""The canonical tree: both dialects in the shape of Momentum 3, merged (configuration §6, §8).

A tree read from text carries places and decoded values; a program may build one with `Scope.set` and `Scope.add`
and print it. Two trees are equal when they say the same; places and quoting do not count.
"""

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, Union

from momentum_node.config.source import NOWHERE
from momentum_node.config.syntax import Array, Dict, Element, Entry, Scalar, Value

Plain: TypeAlias = Union[str, int, bool, Sequence["Plain"], Mapping[str, "Plain"]]  # noqa: UP007 - a forward reference


@dataclass(slots=True, eq=False)
class Setting:
    """One option that is set. `name` is as written; `decoded` is the value in its type, None if it did not fit."""

    name: str
    value: Value
    at: int = NOWHERE
    decoded: object = None


@dataclass(slots=True, eq=False)
class AclRule:
    """One 2.x rule list: its options stand in `scope`, a `Peer` whose instance is the network."""

    scope: "Scope"
    continues: bool = False
    unites_relay_hosts: bool = False  # 2.x `relay_hosts`: added to the global list, not instead of it


@dataclass(slots=True, eq=False)
class Scope:
    """One stanza, or the file itself (name ""). Settings and children keep the order of their first appearance."""

    name: str = ""
    instance: str | None = None
    at: int = NOWHERE
    instance_at: int = NOWHERE
    settings: dict[str, Setting] = field(default_factory=dict)  # by lower-cased name
    # by lower-cased name and key of the instance
    children: MutableMapping[tuple[str, str], "Scope"] = field(default_factory=dict)
    acl: list[AclRule] = field(default_factory=list)  # of a Listen: 2.x rules that no set of Peers can say
    matched: object = None  # the Endpoint of a Listen, the network of a Peer or Topology, when it was read from text
    index: object = None  # of a compiled tree: what look-ups have to know of the children (indexing.py),
    groups: Mapping[str, str] | None = None  # and of all bindings
    from_array: bool = False  # a Listen of a 2.x listener list: replaced when the list is assigned again

    def set(self, name: str, value: Plain) -> "Scope":
        """Set an option from a plain Python value; returns the scope, so that calls chain."""
        self.settings[name.lower()] = Setting(name, as_value(value))
        return self

    def add(self, name: str, instance: str | None = None) -> "Scope":
        """The child stanza of that name and instance, made when there is none."""
        return self.children.setdefault((name.lower(), instance or ""), Scope(name, instance))

    def value(self, name: str) -> object:
        """The decoded value of an option that is set exactly here, else None."""
        setting = self.settings.get(name)
        return None if setting is None else setting.decoded

    def all(self, name: str) -> Iterator["Scope"]:
        """The children of one scope name (lower case), in order."""
        return (self.children[key] for key in self.children if key[0] == name)

    def only(self, name: str) -> Union["Scope", None]:
        """The child with that anonymous scope name (lower case), if it was written."""
        return self.children.get((name, ""))

    def plain(self) -> object:
        """The meaning as nested tuples and dictionaries, without places and quoting."""
        return (
            self.name.lower(),
            self.instance,
            [(name, bare(setting.value)) for name, setting in self.settings.items()],
            [child.plain() for child in self.children.values()],
            [(rule.scope.plain(), rule.continues, rule.unites_relay_hosts) for rule in self.acl],
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scope) and self.plain() == other.plain()

    __hash__ = None  # type: ignore[assignment]


def bare(value: Value) -> object:
    """A value as text, lists and pairs, without places."""
    if isinstance(value, Scalar):
        return value.text
    if isinstance(value, Dict):
        return ("dict", [(entry.key.text, bare(entry.value)) for entry in value.entries])
    return ("list", [_bare_element(element) for element in value.elements])


def _bare_element(element: Element) -> object:
    attributes = [(attribute.name.text.lower(), attribute.value.text) for attribute in element.attributes]
    return element.scalar.text, attributes, None if element.body is None else bare(element.body)


def as_value(value: Plain) -> Value:
    """A plain Python value in the shape of the language."""
    if isinstance(value, bool):
        return Scalar("true" if value else "false")
    if isinstance(value, (str, int)):
        return Scalar(str(value))
    if isinstance(value, Mapping):
        return Dict(tuple(Entry(Scalar(key), as_value(item)) for key, item in value.items()))
    return Array(tuple(_as_element(item) for item in value))


def _as_element(item: Plain) -> Element:
    value = as_value(item)
    if not isinstance(value, Scalar):
        raise TypeError(f"an element of a list is a plain value, not {item!r}")
    return Element(value)
