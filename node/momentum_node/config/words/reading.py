"""Commands that only look: get, eval, show, showrecurse, locate (configuration §13)."""

from collections.abc import Iterator, Sequence

from momentum_node.config import schema
from momentum_node.config.evaluation import evaluate
from momentum_node.config.paths import (
    Path,
    PathFault,
    Step,
    find,
    no_scope,
    only_scopes,
    option_of,
    path_text,
    scopes,
    wrapped,
)
from momentum_node.config.patterns import Pattern, compiled
from momentum_node.config.printer import assignment, print_tree, quoted
from momentum_node.config.shapes import value_shape
from momentum_node.config.syntax import Value
from momentum_node.config.tree import Scope
from momentum_node.config.words.answer import Answer, Question

_MOST_NEAR = 3  # instances that are suggested
_LONGEST = 255  # characters of a name that an expression looks at


def get(question: Question, words: Sequence[str]) -> Answer:
    """The value that is set exactly there."""
    path, rest = scopes(words)
    if not rest:
        raise PathFault("the name of an option is missing")
    if len(rest) > 1:
        raise no_scope(path[-1].kind if path else "", rest[0])
    return _setting(question, path, option_of(path, rest[0]))


def evaluated(question: Question, words: Sequence[str]) -> Answer:
    """The value after fallback."""
    found = evaluate(question.session.tree(question.generation), words)
    data = _data(found.path, found.option, found.value)
    return Answer(str(found), question.session, data=data)


def show(question: Question, words: Sequence[str]) -> Answer:
    """One scope without what is inside its stanzas, or one option."""
    path, rest = scopes(words)
    if len(rest) == 1 and schema.option(path[-1].kind if path else "", rest[0].lower()) is not None:
        return _setting(question, path, option_of(path, rest[0]))
    scope = scope_at(question, only_scopes(words))
    own = _lines(Scope(scope.name, scope.instance, settings=scope.settings, acl=scope.acl))
    heads = [f"{_head(scope, child)} {{ ... }}" for child in scope.children.values()]
    return _text(question, wrapped(path, [*own, *heads]))


def show_all(question: Question, words: Sequence[str]) -> Answer:
    """One scope with everything inside, as text that reads back the same."""
    path = only_scopes(words)
    return _text(question, wrapped(path, _lines(scope_at(question, path))))


def locate(question: Question, words: Sequence[str]) -> Answer:
    """All places of a scope whose instance name an expression finds."""
    if not words or len(words) > 2:
        raise PathFault("`config locate` takes a scope and, if need be, one expression")
    kind = schema.SCOPES.get(words[0].lower())
    if kind is None:
        match = schema.close_match("", words[0])
        hint = f"; did you mean `{match}`?" if match else ""
        raise PathFault(f"'{words[0]}' is not a scope{hint}")
    wanted = _expression(words[1] if len(words) > 1 else "")
    found = [
        (_head(Scope(), scope), place)
        for scope, place in _all(question.session.tree(question.generation), "")
        if scope.name.lower() == kind.name.lower() and wanted.search((scope.instance or "")[:_LONGEST])
    ]
    lines = [line for head, place in found for line in (head, f"  is at {place}")]
    data = {"places": [{"scope": head, "place": place} for head, place in found]}
    return Answer("\n".join(lines) or f"No {kind.name} is found.", question.session, data=data)


def setting_text(path: Path, name: str, value: Value) -> str:
    """A setting as `get` and `set` print it: behind a tab unless it is global."""
    return ("\t" if path else "") + assignment(name, value)


def not_set(path: Path, name: str) -> str:
    """What is said of an option that has no value of its own."""
    return f"Option '{name}' is not set in scope '{path_text(path)}'."


def _setting(question: Question, path: Path, known: schema.Option) -> Answer:
    scope = find(question.session.tree(question.generation), path)
    setting = None if scope is None else scope.settings.get(known.name.lower())
    if setting is None:
        return Answer(not_set(path, known.name), question.session, data=_data(path, known.name, None))
    text = setting_text(path, known.name, setting.value)
    return Answer(text, question.session, data=_data(path, known.name, setting.value))


def _data(path: Path, option: str, value: Value | None) -> dict[str, object]:
    scope = [{"name": schema.scope_name(step.kind), "instance": step.instance} for step in path]
    return {"scope": scope, "option": option, "value": None if value is None else value_shape(value)}


def _lines(scope: Scope) -> list[str]:
    """What a scope says. Only a newline ends a line: a value may hold other characters that part lines elsewhere."""
    return print_tree(scope).split("\n")[:-1]


def _text(question: Question, lines: Sequence[str]) -> Answer:
    return Answer("\n".join(lines), question.session)


def scope_at(question: Question, path: Path) -> Scope:
    tree = question.session.tree(question.generation)
    scope = find(tree, path)
    if scope is not None:
        return scope
    if is_built_in(path):
        return Scope(schema.scope_name(path[-1].kind), path[-1].instance)
    raise PathFault(f"{path_text(path)} is not in the configuration{_near(tree, path)}")


def is_built_in(path: Path) -> bool:
    """Whether a scope is always there, written or not (configuration §5)."""
    kinds = {"binding", "binding_group", "pathway", "pathway_group"}
    return len(path) == 1 and path[0].kind in kinds and path[0].instance == "default"


def _near(tree: Scope, path: Path) -> str:
    """Instances of the same scope that somebody may have meant."""
    parent, last = find(tree, path[:-1]), path[-1]
    if parent is None or last.instance is None:
        return ""
    word = last.instance[:64]
    near = [
        child.instance
        for child in parent.all(last.kind)
        if child.instance and abs(len(child.instance) - len(word)) <= 2 and schema.distance(word, child.instance) <= 2
    ]
    return f"; did you mean {' or '.join(f'`{one}`' for one in near[:_MOST_NEAR])}?" if near else ""


def _head(parent: Scope, child: Scope) -> str:
    name = schema.spelling(parent.name.lower(), child.name)
    return name if child.instance is None else f"{name} {quoted(child.instance)}"


def _expression(text: str) -> Pattern:
    try:
        return compiled(text)
    except ValueError as wrong:
        raise PathFault(f"regular expression does not compile: {wrong}") from None


def _all(scope: Scope, place: str) -> Iterator[tuple[Scope, str]]:
    for child in scope.children.values():
        step = Step(child.name.lower(), child.instance)
        inner = f"{place}{schema.scope_name(step.kind)}:{(child.instance or '').replace(':', chr(92) + ':')}:"
        yield child, inner
        yield from _all(child, inner)
