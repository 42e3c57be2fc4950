"""Paths of the console: `scope [instance] scope [instance] … [option]` (configuration §13), and where they lead.

An anonymous scope takes no instance. Names of scopes and options may be written in any case.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from momentum_node.config import endpoints, schema
from momentum_node.config.merge import is_regex
from momentum_node.config.printer import quoted
from momentum_node.config.tree import Scope
from momentum_node.errors import ConfigurationError

_BY_ADDRESS = frozenset({"peer", "topology"})


class PathFault(ConfigurationError):
    """The path or the option is not one of the language; the text says what could have been meant."""


@dataclass(frozen=True, slots=True)
class Step:
    """One scope of a path; `kind` in lower case, `instance` None for an anonymous one."""

    kind: str
    instance: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What a tree calls it among the children of its parent."""
        return self.kind, self.instance or ""

    def __str__(self) -> str:
        name = schema.scope_name(self.kind)
        return name if self.instance is None else f"{name} {self.instance}"


Path: TypeAlias = tuple[Step, ...]


def path_text(path: Path) -> str:
    """A path as messages name it; the file itself is "global"."""
    return " ".join(str(step) for step in path) or schema.GLOBAL


def scopes(words: Sequence[str]) -> tuple[Path, tuple[str, ...]]:
    """The scopes at the beginning of `words`, and the words after them. Raises PathFault."""
    steps: list[Step] = []
    rest = list(words)
    while rest and _is_scope(_inside(steps), rest[0]):
        steps.append(_step(_inside(steps), rest))
    return tuple(steps), tuple(rest)


def only_scopes(words: Sequence[str]) -> Path:
    """A path without an option; raises PathFault at the first word that is no scope where it stands."""
    path, rest = scopes(words)
    if rest:
        raise no_scope(_inside(path), rest[0])
    return path


def before_option(words: Sequence[str]) -> tuple[Path, str]:
    """`[scope [instance] …] option`, the option in lower case; raises PathFault. Whether there is such an option is
    not asked here: it may be valid in another scope that the path falls back to."""
    if not words:
        raise PathFault("the name of an option is missing")
    steps: list[Step] = []
    rest = list(words[:-1])
    while rest:
        if not _is_scope(_inside(steps), rest[0]):
            raise no_scope(_inside(steps), rest[0])
        if len(rest) == 1 and schema.SCOPES[rest[0].lower()].named:
            name = schema.SCOPES[rest[0].lower()].name
            raise PathFault(f"scope {name} needs an instance name before the option '{words[-1]}'")
        steps.append(_step(_inside(steps), rest))
    return tuple(steps), words[-1].lower()


def option_of(path: Path, word: str) -> schema.Option:
    """The option that can be set in the scope of `path`; raises PathFault."""
    inside = _inside(path)
    known = schema.option(inside, word.lower())
    if known is None:
        raise no_option(inside, word)
    return known._replace(name=schema.spelling(inside, word))


def find(tree: Scope, path: Iterable[Step]) -> Scope | None:
    """The scope of a tree at the end of a path; None when nobody wrote it."""
    scope: Scope | None = tree
    for step in path:
        scope = scope.children.get(step.key) if scope is not None else None
    return scope


def wrapped(path: Path, lines: Sequence[str]) -> list[str]:
    """Lines of text inside the stanzas of a path."""
    if not path:
        return list(lines)
    step = path[0]
    name = schema.scope_name(step.kind)
    head = name if step.instance is None else f"{name} {quoted(step.instance)}"
    return [f"{head} {{", *(f"  {line}" for line in wrapped(path[1:], lines)), "}"]


def no_scope(parent: str, word: str) -> PathFault:
    """Why `word` is no scope inside the scope `parent` (lower case, "" is the file)."""
    kind = schema.SCOPES.get(word.lower())
    inside = schema.scope_name(parent)
    if kind is not None:
        valid = ", ".join(sorted(schema.scope_name(scope) for scope in kind.parents))
        return PathFault(f"scope {kind.name} does not stand in {inside} (valid in: {valid})")
    match = schema.close_match(parent, word)
    return PathFault(f"'{word}' is not a scope of {inside}" + (f"; did you mean `{match}`?" if match else ""))


def no_option(kind: str, word: str) -> PathFault:
    """Why `word` is no option of the scope `kind` (lower case, "" is the file)."""
    inside = schema.scope_name(kind)
    others = schema.elsewhere(word.lower())
    if others:
        valid = ", ".join(dict.fromkeys(schema.scope_name(scope) for option in others for scope in option.scopes))
        return PathFault(f"'{word}' is not valid in scope {inside} (valid in: {valid})")
    if word.lower() in schema.SCOPES:
        return no_scope(kind, word)
    match = schema.close_match(kind, word)
    hint = f"; did you mean `{match}`?" if match else ""
    return PathFault(f"'{word}' is not an option of scope {inside}{hint}")


def _inside(steps: Sequence[Step]) -> str:
    return steps[-1].kind if steps else ""


def _is_scope(parent: str, word: str) -> bool:
    kind = schema.SCOPES.get(word.lower())
    return kind is not None and parent in kind.parents


def _step(parent: str, rest: list[str]) -> Step:
    """Take one scope and its instance from the beginning of `rest`."""
    kind = schema.SCOPES[rest.pop(0).lower()]
    if kind.named and not rest:
        raise PathFault(f"scope {kind.name} needs an instance name")
    return Step(kind.name.lower(), _instance(kind, parent, rest.pop(0)) if kind.named else None)


def _instance(kind: schema.ScopeKind, parent: str, word: str) -> str:
    """The instance as equal ones are spelled in the tree."""
    name = kind.name.lower()
    try:
        if name in _BY_ADDRESS:
            return str(endpoints.network(word)[0])
        if name == "listen":
            return str(endpoints.endpoint(word, endpoints.DEFAULT_PORTS.get(parent, 25)))
    except ValueError as wrong:
        raise PathFault(str(wrong)) from None
    return word.lower().removesuffix(".") if name in {"domain", "host"} and not is_regex(word) else word
