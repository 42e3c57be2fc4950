"""Commands that change: set, unset, and the transactions around them (configuration §12.3, §13)."""

from collections.abc import Callable, Sequence

from momentum_node.config.draft import Draft
from momentum_node.config.evaluation import evaluate
from momentum_node.config.messages import Message
from momentum_node.config.paths import Path, PathFault, find, option_of, path_text, scopes
from momentum_node.config.placement import Placement
from momentum_node.config.printer import assignment, key_text, quoted
from momentum_node.config.schema import scope_name
from momentum_node.config.shapes import value_shape
from momentum_node.config.transactions import Generation, Session
from momentum_node.config.tree import Scope
from momentum_node.config.words import line, reading
from momentum_node.config.words.answer import Answer, Question
from momentum_node.config.writeback import Install


def set_option(question: Question, words: Sequence[str]) -> Answer:
    """Give an option a value; instances that are missing are made."""
    path, rest = scopes(words)
    if not rest:
        raise PathFault("the name of an option is missing")
    name, equals, glued = rest[0].partition("=")
    known = option_of(path, name)
    given = [glued, *rest[1:]] if equals and glued else [*rest[1:]]
    if given[:1] == ["="]:
        del given[0]
    value = line.value(known, given)
    _refuse_other_container(question, path)
    command = f"config set {_words(path)}{assignment(known.name, value)}"
    session, generation = _changed(question, lambda placement: placement.set(path, known, value), command)
    scope = find(session.tree(generation), path)
    found = None if scope is None else scope.settings.get(known.name.lower())
    shown = value if found is None else found.value
    text = reading.setting_text(path, known.name, shown)
    data = {"option": known.name, "value": value_shape(shown)}
    return _done(question, session, generation, text, data)


def unset(question: Question, words: Sequence[str]) -> Answer:
    """Take away the value of an option, or a scope with everything inside."""
    path, rest = scopes(words)
    if not words:
        raise PathFault("`config unset` takes an option or a scope; the whole configuration cannot be unset")
    if len(rest) > 1:
        option_of(path, rest[0])
        raise PathFault(f"`config unset` takes one option: '{rest[1]}' stands behind '{rest[0]}'")
    if not rest:
        return _unset_scope(question, path)
    known = option_of(path, rest[0])
    scope = find(question.session.tree(question.generation), path)
    if scope is None or known.name.lower() not in scope.settings:
        return Answer(reading.not_set(path, known.name), question.session)
    command = f"config unset {_words(path)}{key_text(known.name)}"
    session, generation = _changed(question, lambda placement: placement.unset(path, known), command)
    now = evaluate(session.tree(generation), words)
    text = f'"{known.name}" has been unset. Effective value is now:\n\t{now}'
    value = None if now.value is None else value_shape(now.value)
    return _done(question, session, generation, text, {"option": known.name, "effective": value})


def _unset_scope(question: Question, path: Path) -> Answer:
    if reading.is_built_in(path):
        raise PathFault(f"{path_text(path)} is built in and cannot be unset: unset its options one by one")
    scope = reading.scope_at(question, path)
    count = _count(scope)
    command = f"config unset {_words(path)}".rstrip()
    session, generation = _changed(question, lambda placement: placement.unset_scope(path), command)
    text = f"{path_text(path)} has been unset: {count} option{'' if count == 1 else 's'}."
    return _done(question, session, generation, text, {"options": count})


def begin(question: Question, words: Sequence[str]) -> Answer:
    """Open a private copy."""
    from_scratch = [word.lower() for word in words] == ["from", "scratch"]
    if words and not from_scratch:
        raise PathFault("it is `config begin` or `config begin from scratch`")
    session = question.session.begin(question.generation, from_scratch=from_scratch)
    start = "from scratch" if from_scratch else f"at generation {question.generation.number}"
    return Answer(f"Transaction begun {start}.", session)


def commit(question: Question, words: Sequence[str]) -> Answer:
    """Make the copy what runs, if it is valid and nobody else committed."""
    _no_words("commit", words)
    generation = question.session.commit(question.generation, question.now)
    text = f"Committed: generation {generation.number}."
    return _done(question, Session(), generation, text, {"generation": generation.number})


def rollback(question: Question, words: Sequence[str]) -> Answer:
    """Drop the copy."""
    _no_words("rollback", words)
    count = len(question.session.open_transaction().changes)
    return Answer(
        f"Rolled back: {count} change{'' if count == 1 else 's'} dropped.", Session(), data={"dropped": count}
    )


def replay(question: Question, words: Sequence[str]) -> Answer:
    """The commands of the open transaction, as they can be typed again."""
    _no_words("replay", words)
    changes = question.session.open_transaction().changes
    return Answer("\n".join(changes) or "No changes.", question.session, data={"changes": list(changes)})


def news(before: Generation, after: Generation) -> list[str]:
    """What a person should know of a new generation: its new warnings, and what waits for a restart."""
    known = {(message.code, message.text) for message in before.loaded.warnings}
    warnings = [message for message in after.loaded.warnings if (message.code, message.text) not in known]
    return [*map(_warning, warnings), *after.restart_needed(before)]


def _warning(message: Message) -> str:
    return str(message)


def _changed(question: Question, change: Callable[[Placement], Draft], command: str) -> tuple[Session, Generation]:
    return question.session.changed(question.generation, change, command, question.now)


def _done(question: Question, session: Session, generation: Generation, text: str, data: dict[str, object]) -> Answer:
    if generation is question.generation:
        return Answer(text, session, data=data)
    told = news(question.generation, generation)
    return Answer("\n".join([text, *told]), session, 0, (Install(generation),), {**data, "warnings": told})


def _no_words(command: str, words: Sequence[str]) -> None:
    if words:
        raise PathFault(f"`config {command}` takes no further word")


def _refuse_other_container(question: Question, path: Path) -> None:
    """A binding that stands in a group is changed there: a name may be declared in one container only."""
    if not path or path[0].kind != "binding":
        return
    tree = question.session.tree(question.generation)
    for group in tree.all("binding_group"):
        if path[0].key in group.children:
            place = f"Binding_Group {group.instance} {path[0]}"
            raise PathFault(f"binding '{path[0].instance}' stands in a group: write `{place}`")


def _words(path: Path) -> str:
    """A path as it is typed, with a blank behind it."""
    names = [scope_name(step.kind) + ("" if step.instance is None else f" {quoted(step.instance)}") for step in path]
    return "".join(f"{name} " for name in names)


def _count(scope: Scope) -> int:
    return len(scope.settings) + sum(_count(child) for child in scope.children.values())
