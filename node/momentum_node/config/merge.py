"""Puts what was written into one canonical tree (configuration §6): repeated stanzas merge, the last value of an
option wins, and every name and value is checked against the schema where it stands."""

import re
from typing import NamedTuple

from momentum_node.config import endpoints, notshipped, schema
from momentum_node.config.model import Network
from momentum_node.config.source import Report
from momentum_node.config.syntax import Array, Dict, Element, Scalar, Value
from momentum_node.config.tree import Scope, Setting
from momentum_node.config.values import COMMA_HINT, decode

_MATCHED_BY_NETWORK = frozenset({"peer", "topology"})
_MATCHED_BY_NAME = frozenset({"domain", "host"})
_UNIQUE = {"binding": "binding", "pathway": "pathway"}
_NAME = re.compile(r"[^\s:]++\Z")
_RESERVED = frozenset({"all", "group"})  # words of the console
_MOST_KNOWN = 4096  # names that are looked up once
_MOST_VALUES = 4096  # of one option that are read once


class _Known(NamedTuple):
    """What is known of an option as it is written in a scope."""

    name: str  # lower case
    option: schema.Option | None
    grows: bool  # may stand several times
    values: dict[tuple[str, bool], object]  # text, and whether it is quoted → the value in its type


class Builder:
    """One tree in the making. Faults go to the report; what is faulty is left out, so that reading can go on."""

    def __init__(self, report: Report, *, strict: bool = False) -> None:
        self.tree = Scope()
        self.report = report
        self._strict = strict
        self._known: dict[tuple[str, str], _Known] = {}  # scope and option as they are written
        self._growing: dict[tuple[int, str], tuple[Setting, schema.Option, list[Value]]] = {}
        self._containers: dict[tuple[str, str], tuple[str, int]] = {}  # (kind, name) → container, place

    # --- stanzas ---

    def open(
        self, parent: Scope, name: Scalar, instance: Scalar | None, matched: endpoints.Endpoint | None = None
    ) -> Scope | None:
        """The scope a stanza adds to; None when the stanza has to be skipped. `matched` is what
        was read before, and the instance its normalised text."""
        lowered = name.text.lower()
        kind = schema.SCOPES.get(lowered)
        if kind is None or parent.name.lower() not in kind.parents:
            self._refuse_scope(parent, name, kind)
            return None
        if not kind.named:
            return self._anonymous(parent, name, instance, kind)
        if instance is None:
            self.report.error(name.at, "S003", f"scope {kind.name} needs an instance name: `{kind.name} name {{ … }}`")
            return None
        found = matched or self._matched(lowered, parent, instance)
        if found is None or not self._unique(lowered, parent, instance):
            return None
        child = self._child(parent, lowered, name, instance, instance.text if matched else str(found))
        if not isinstance(found, str):
            child.matched = found
        return child

    def _anonymous(self, parent: Scope, name: Scalar, instance: Scalar | None, kind: schema.ScopeKind) -> Scope | None:
        if instance is not None and kind.may_be_named:
            self.report.warning(instance.at, "W07", f"module {kind.name} takes no instance name any more")
        elif instance is not None:
            self.report.error(instance.at, "S004", f"scope {kind.name} takes no instance name")
            return None
        return self._child(parent, name.text.lower(), name, None, "")

    def _child(self, parent: Scope, kind: str, name: Scalar, instance: Scalar | None, key: str) -> Scope:
        found = parent.children.get((kind, key))
        if found is None:
            text = None if instance is None else instance.text
            found = Scope(name.text, text, name.at, name.at if instance is None else instance.at)
            parent.children[(kind, key)] = found
        return found

    def _matched(self, kind: str, parent: Scope, instance: Scalar) -> str | Network | endpoints.Endpoint | None:
        """What equal instances have in common, as text or printing as it; None after a fault was reported."""
        text = instance.text
        try:
            if kind in _MATCHED_BY_NETWORK:
                return self._network(instance)
            if kind == "listen":
                return endpoints.endpoint(text, endpoints.DEFAULT_PORTS.get(parent.name.lower(), 25))
        except ValueError as wrong:
            self.report.error(instance.at, "V003", str(wrong), COMMA_HINT if text.endswith(",") else None)
            return None
        if kind in _MATCHED_BY_NAME:
            return self._name_key(instance)
        if kind in {"binding", "binding_group"} and not self._good_name(instance):
            return None
        return text

    def _network(self, instance: Scalar) -> Network:
        network, cleared = endpoints.network(instance.text)
        if cleared:
            self.report.warning(instance.at, "W05", f"'{instance.text}' has host bits set: read as {network}")
        return network

    def _name_key(self, instance: Scalar) -> str | None:
        if not is_regex(instance.text):
            return instance.text.lower().removesuffix(".")
        try:
            self.report.patterns.check(instance.text[1:-1])
        except ValueError as wrong:
            self.report.error(instance.at, "V004", f"regular expression does not compile: {wrong}")
            return None
        return instance.text

    def _good_name(self, instance: Scalar) -> bool:
        name = instance.text
        if _NAME.match(name):
            if not name.startswith("#") and name not in _RESERVED:
                return True
            self.report.error(instance.at, "V001", f"the name '{name}' is reserved")
            return False
        self.report.error(instance.at, "V001", f"'{name}' is not a name: it may have no blank and no ':'")
        return False

    def _unique(self, kind: str, parent: Scope, instance: Scalar) -> bool:
        """A binding or pathway name may be declared in one container only (S005)."""
        if kind not in _UNIQUE:
            return True
        group = parent.instance or ""
        first, place = self._containers.setdefault((kind, instance.text), (group, instance.at))
        if first == group:
            return True
        where = f"in group '{first}'" if first else "outside any group"
        text = f"{_UNIQUE[kind]} '{instance.text}' is already declared {where} at {self.report.sources.place(place)}"
        self.report.error(instance.at, "S005", text)
        return False

    def _refuse_scope(self, parent: Scope, name: Scalar, kind: schema.ScopeKind | None) -> None:
        lowered, inside = name.text.lower(), parent.name.lower()
        if kind is not None:
            valid = ", ".join(schema.scope_name(scope) for scope in sorted(kind.parents))
            text = f"'{name.text}' is not valid in scope {schema.scope_name(inside)} (valid in: {valid})"
            self.report.error(name.at, "S002", text)
        elif notshipped.is_known(lowered):  # first: dkim_sign is a module of Momentum, and an option here
            self.skip(name)
        elif schema.option(inside, lowered) is not None:
            hint = f"write `{name.text} = value`"
            self.report.error(name.at, "S002", f"'{name.text}' is an option, not a stanza", hint)
        else:
            self._unknown(inside, name)

    def skip(self, name: Scalar) -> None:
        """W06: Momentum knows it and we do not ship it; an error when the load is strict."""
        text = f"'{name.text}' is a part of Momentum that is not shipped here: skipped with all its content"
        if self._strict:
            self.report.error(name.at, "W06", text)
        else:
            self.report.warning(name.at, "W06", text)

    def _unknown(self, scope: str, name: Scalar) -> None:
        match = schema.close_match(scope, name.text) if self.report.may_search else None
        text = f"'{name.text}' is not an option or stanza of scope {schema.scope_name(scope)}"
        self.report.error(name.at, "S001", text, f"did you mean `{match}`?" if match else _form(name.text))

    # --- options ---

    def option(self, scope: Scope, key: Scalar, value: Value) -> None:
        """Set an option. One that may stand several times is complete after `finish`."""
        found = self._known.get((scope.name, key.text)) or self._look_up(scope.name, key.text)
        lowered, known = found.name, found.option
        if known is None:
            self._refuse_option(scope.name.lower(), lowered, key)
        elif found.grows:
            self._grow(scope, lowered, known, Setting(key.text, value, key.at))
        else:
            before = scope.settings.get(lowered)
            if before is not None:
                self._overridden(key, before)
            scope.settings[lowered] = Setting(key.text, value, key.at, self._decoded(found, known, key.text, value))

    def _look_up(self, scope: str, name: str) -> "_Known":
        inside, lowered = scope.lower(), name.lower()
        known = schema.option(inside, lowered)
        grows = known is not None and (known.multi or (inside == "replicate" and lowered == "parameters"))
        found = _Known(lowered, known, grows, {})
        if len(self._known) < _MOST_KNOWN:
            self._known[scope, name] = found
        return found

    def _decoded(self, found: "_Known", known: schema.Option, name: str, value: Value) -> object:
        """The value in its type; one that was read before without a word is not read again."""
        if not isinstance(value, Scalar):
            return decode(name, known.type, value, self.report)
        key = (value.text, bool(value.quote))
        if key in found.values:
            return found.values[key]
        said = self.report.error_count + self.report.warning_count
        decoded = decode(name, known.type, value, self.report)
        if len(found.values) < _MOST_VALUES and said == self.report.error_count + self.report.warning_count:
            found.values[key] = decoded
        return decoded

    def _grow(self, scope: Scope, lowered: str, known: schema.Option, setting: Setting) -> None:
        """Keep every occurrence; they are joined once, at the end, so that the time stays linear."""
        place = (id(scope), lowered)
        if place not in self._growing:
            scope.settings[lowered] = setting
            self._growing[place] = (setting, known, [])
        self._growing[place][2].append(setting.value)

    def finish(self) -> None:
        """Join the options that stood several times. Call once, after the last statement."""
        for setting, known, values in self._growing.values():
            setting.value = _joined(values) if known.multi else _united(values)
            setting.decoded = decode(setting.name, known.type, setting.value, self.report)

    def _overridden(self, key: Scalar, before: Setting) -> None:
        place = self.report.sources.place(before.at) if self.report.keeps_warnings else ""
        self.report.warning(key.at, "W02", f"'{key.text}' replaces the value set at {place}")

    def _refuse_option(self, inside: str, lowered: str, key: Scalar) -> None:
        if notshipped.is_ignored(lowered):
            self.report.warning(key.at, "W03", f"'{key.text}' is obsolete and ignored")
            return
        others = schema.elsewhere(lowered)
        if others:
            valid = ", ".join(dict.fromkeys(schema.scope_name(scope) for option in others for scope in option.scopes))
            text = f"'{key.text}' is not valid in scope {schema.scope_name(inside)} (valid in: {valid})"
            self.report.error(key.at, "S002", text)
        elif lowered in schema.SCOPES:
            name = f"{key.text} name" if schema.SCOPES[lowered].named else key.text
            self.report.error(key.at, "S002", f"'{key.text}' is a stanza, not an option", f"write `{name} {{ … }}`")
        elif notshipped.is_known(lowered):
            self.skip(key)
        else:
            self._unknown(inside, key)


def _form(name: str) -> str | None:
    """Advice for a name that is none, but part of a form that stands elsewhere."""
    lowered = name.lower()
    if lowered in {"include", "readonly_include"}:
        return f'write `{name} "file"`, without `=`'
    if lowered in {"personality", "limits", "continue"}:
        return f"`{name}` stands in rule lists of Momentum 2; in a stanza write the options themselves"
    if lowered[:1].isdigit() and "/" in lowered:
        return f'a network is written `Peer "{name}" {{ … }}` in a listener, `Topology "{name}" {{ … }}` in the cluster'
    return None


def is_regex(instance: str) -> bool:
    """Whether the instance name of a Domain or Host is a regular expression: `/…/`."""
    return len(instance) > 1 and instance.startswith("/") and instance.endswith("/")


def elements(value: Value) -> tuple[Element, ...]:
    """A value as the elements of a list."""
    if isinstance(value, Scalar):
        return (Element(value),)
    return value.elements if isinstance(value, Array) else ()


def _joined(values: list[Value]) -> Value:
    wrong = next((value for value in values if isinstance(value, Dict)), None)
    if wrong is not None:
        return wrong
    return Array(tuple(element for value in values for element in elements(value)), values[-1].at)


def _united(values: list[Value]) -> Value:
    """`;`-separated words of all values, each once."""
    last = values[-1]
    if not all(isinstance(value, Scalar) for value in values) or not isinstance(last, Scalar):
        return last
    words = dict.fromkeys(word for value in values if isinstance(value, Scalar) for word in value.text.split(";"))
    return Scalar(";".join(word for word in words if word), last.at, last.quote)
