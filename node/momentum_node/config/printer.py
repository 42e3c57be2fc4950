"""The canonical tree as Momentum 3 text. The law: reading what is printed gives the same tree."""

import re
from collections.abc import Iterator

from momentum_node.config import schema
from momentum_node.config.syntax import Array, Dict, Element, Entry, Scalar, Value
from momentum_node.config.tree import AclRule, Scope, Setting

_PLAIN = re.compile(r"-?[0-9]{1,18}\Z|(?:true|false|on|off|yes|no|enabled|disabled)\Z", re.IGNORECASE)
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\Z")
_BACKSLASH = re.compile(r'\\(?=["\\nrt\n\r\t]|\Z)')
_ESCAPES = {'"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_WIDTH = 100


def print_tree(tree: Scope) -> str:
    """All of a tree, the scope `tree` itself being the file; ends in a newline when there is any text.
    Raises ValueError when a text holds a NUL or a lone surrogate, which the language cannot say."""
    return "".join(f"{line}\n" for line in _body(tree, ""))


def assignment(name: str, value: Value) -> str:
    """`name = value` in one line, as the console prints a setting."""
    return f"{key_text(name)} = {_value(value)}"


def _body(scope: Scope, indent: str) -> Iterator[str]:
    for setting in scope.settings.values():
        yield from _setting(scope, setting, indent)
    if scope.acl:
        yield from acl_lines(scope.acl, indent)
    for child in scope.children.values():
        yield from stanza_lines(scope, child, indent)


def stanza_lines(parent: Scope, scope: Scope, indent: str) -> Iterator[str]:
    """One stanza with its content."""
    name = schema.spelling(parent.name.lower(), scope.name)
    head = name if scope.instance is None else f"{name} {quoted(scope.instance)}"
    lines = list(_body(scope, indent + "  "))
    if not lines:
        yield f"{indent}{head} {{}}"
        return
    yield f"{indent}{head} {{"
    yield from lines
    yield f"{indent}}}"


def _setting(scope: Scope, setting: Setting, indent: str) -> Iterator[str]:
    yield from entry_lines(schema.spelling(scope.name.lower(), setting.name), setting.value, indent)


def entry_lines(name: str, value: Value, indent: str) -> Iterator[str]:
    """`name = value`, in several lines when it is wide."""
    line = f"{indent}{key_text(name)} = {_value(value)}"
    if len(line) <= _WIDTH or isinstance(value, Scalar):
        yield line
        return
    opening, closing = "()" if isinstance(value, Array) else "[]"
    yield f"{indent}{key_text(name)} = {opening}"
    if isinstance(value, Array):
        for element in value.elements:
            yield f"{indent}  {element_text(element)}"
    else:
        for entry in value.entries:
            yield from entry_lines(entry.key.text, entry.value, indent + "  ")
    yield f"{indent}{closing}"


def _value(value: Value) -> str:
    if isinstance(value, Scalar):
        return scalar(value.text)
    if isinstance(value, Dict):
        return _bracketed("[", [_flat_entry(entry) for entry in value.entries], "]")
    return _bracketed("(", [element_text(element) for element in value.elements], ")")


def _flat_entry(entry: Entry) -> str:
    return f"{key_text(entry.key.text)} = {_value(entry.value)}"


def _bracketed(opening: str, parts: list[str], closing: str) -> str:
    return " ".join([opening, *parts, closing])


def element_text(element: Element) -> str:
    """One element of a list, in one line."""
    attributes = " ".join(f"{key_text(item.name.text)}={quoted(item.value.text)}" for item in element.attributes)
    parts = [scalar(element.scalar.text), f"<{attributes}>" if attributes else ""]
    parts.append("" if element.body is None else _value(element.body))
    return " ".join(part for part in parts if part)


def acl_lines(rules: list[AclRule], indent: str) -> Iterator[str]:
    """The 2.x rule lists of a Listen, as the option `acl`."""
    yield f"{indent}acl = ["
    for rule in rules:
        yield f"{indent}  {quoted(rule.scope.instance or '')} = ("
        yield from rule_lines(rule, indent + "    ")
        yield f"{indent}  )"
    yield f"{indent}]"


def rule_lines(rule: AclRule, indent: str) -> Iterator[str]:
    """What one 2.x rule list sets, as its elements."""
    settings = dict(rule.scope.settings)
    hosts = settings.pop("relay_hosts", None) if rule.unites_relay_hosts else None
    if settings:
        yield f"{indent}options ["
        for setting in settings.values():
            yield from _setting(rule.scope, setting, indent + "  ")
        yield f"{indent}]"
    if hosts is not None:
        yield f"{indent}relay_hosts {_value(hosts.value)}"
    if rule.continues:
        yield f"{indent}continue"


def key_text(text: str) -> str:
    """The name of an option or of an entry, quoted where it must be."""
    return text if _KEY.match(text) else quoted(text)


def scalar(text: str) -> str:
    """A value as one scalar: numbers and switches bare, everything else quoted."""
    return text if _PLAIN.match(text) else quoted(text)


def quoted(text: str) -> str:
    """`text` as a double-quoted string that reads back as the same text."""
    if "\0" in text:
        raise ValueError("the configuration language cannot say a NUL")
    text.encode("utf-8")  # a lone surrogate is a ValueError too
    doubled = _BACKSLASH.sub(r"\\\\", text)
    return '"' + "".join(_ESCAPES.get(character, character) for character in doubled) + '"'
