"""Where a change is written (configuration §12.4): which file, which stanza, or in place.

Every way to write a change is tried on the text and read again; the first after which the option has the wanted value
counts. So an odd text can make a change impossible, but never make it go astray.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from momentum_node.config import printer, schema
from momentum_node.config.draft import Draft, set_in
from momentum_node.config.edits import Edit, applied, at_end, in_block, indent_at, newline, removal
from momentum_node.config.messages import ConfigurationInvalid
from momentum_node.config.paths import Path, find, path_text, wrapped
from momentum_node.config.source import Source
from momentum_node.config.spans import Spans
from momentum_node.config.syntax import Attribute, Element, Entry, Loader, Scalar, Stanza, Value
from momentum_node.config.texts import UNSAVED
from momentum_node.config.tree import Scope, bare
from momentum_node.config.values import TRUE
from momentum_node.errors import ConfigurationError

_ATTRIBUTES = {"duravip": "enable_duravip", "status": "enable"}
_SWITCHES = frozenset(_ATTRIBUTES)
_OTHER_NAMES = {
    "message_size": "max_message_size",
    "monitor": "monitors",
    "max_resident_active_queue_size": "max_resident_active_queue",
    "control_listener_timeout": "timeout",
}
_PREFIXES = ("rfc2822_", "rfc2821_")
_CONVERT = "`momentum-node config convert` gives the file the form of Momentum 3, in which it can be changed"


class Unwritable(ConfigurationError):
    """A change for which no file has a place; the text says where the trouble is."""


class Placement:
    """Changes of one draft. `may_write` says of a file whether the disk would take it."""

    def __init__(self, draft: Draft, may_write: Callable[[str], bool]) -> None:
        self._draft, self._may_write = draft, may_write

    # --- set ---

    def set(self, path: Path, known: schema.Option, value: Value) -> Draft:
        """The draft in which the option has that value. Raises Unwritable or ConfigurationInvalid."""
        self._refuse_rule_list(path)
        grows = known.multi or (bool(path) and path[-1].kind == "replicate" and known.name.lower() == "parameters")
        scope = find(self._draft.tree, path)
        if grows and scope is not None and len(self._draft.settings(scope, known.name.lower())) > 1:
            return Placement(self.unset(path, known), self._may_write).set(path, known, value)
        refused: ConfigurationInvalid | None = None
        for attempt in self._attempts(path, known, value):
            try:
                after = attempt()
            except ConfigurationInvalid as refusal:
                refused = refused or refusal
                continue
            if after is not None and _says(after, path, known, value):
                return after
        raise refused or Unwritable(
            f"'{known.name}' in {path_text(path)} cannot be changed: its value stands behind every place that can be "
            "written"
        )

    def _refuse_rule_list(self, path: Path) -> None:
        for depth in range(len(path)):
            scope = find(self._draft.tree, path[: depth + 1])
            if scope is not None and scope.acl and len(path) > depth + 1:
                place = self._draft.sources.place(scope.acl[0].scope.at)
                text = f"the rules of {path_text(path[: depth + 1])} at {place} apply in their order"
                raise Unwritable(f"{text}, which no Peer can say: change them there")

    def _attempts(self, path: Path, known: schema.Option, value: Value) -> Iterator[Callable[[], Draft | None]]:
        """The rules of §12.4, in order."""
        local, only = self._local_changes(known)
        if only and local:
            yield from self._into(self._open_or_none(local), path, known, value)
            return
        setting = set_in(find(self._draft.tree, path), known.name.lower())
        if setting is not None and self._open(self._draft.source(setting.at).file):
            yield lambda: self._in_place(setting.at, known, value)
        for file in self._files_of(path):
            yield from self._into(file, path, known, value)
        yield from self._into(self._open_or_none(local or self._draft.texts.main), path, known, value)

    def _open_or_none(self, file: str) -> str:
        """The file, or the virtual one for what no file can take."""
        return file if self._open(file) else UNSAVED

    def _local_changes(self, known: schema.Option) -> tuple[str | None, bool]:
        """Local_Changes_File and Local_Changes_Only; the two themselves never go into that file."""
        setting = self._draft.tree.settings.get("local_changes_file")
        if setting is None or not isinstance(setting.value, Scalar) or known.name.lower().startswith("local_changes"):
            return None, False
        return setting.value.text, self._draft.tree.value("local_changes_only") is True

    def _open(self, file: str) -> bool:
        """Whether a file may be changed at all."""
        return file == UNSAVED or (file not in self._draft.read_only and self._may_write(file))

    def _files_of(self, path: Path) -> list[str]:
        """The writable files in which a scope occurs, in reading order."""
        if not path:
            return [file for file in self._draft.texts.files if self._open(file)]
        scope = find(self._draft.tree, path)
        places = [] if scope is None else self._draft.stanzas(scope)
        files = dict.fromkeys(self._draft.source(at).file for at in places)
        return [file for file in files if self._open(file)]

    def _into(self, file: str, path: Path, known: schema.Option, value: Value) -> Iterator[Callable[[], Draft | None]]:
        """The innermost stanza of the path in that file, else a new one at its end."""
        lines = list(printer.entry_lines(known.name, value, ""))
        for depth in range(len(path), 0, -1):
            at = self._last_stanza(file, path[:depth])
            if at is not None:
                yield partial(self._in_stanza, at, wrapped(path[depth:], lines))
                break
        yield lambda: self._draft.with_text(file, self._appended(file, wrapped(path, lines)))

    def _last_stanza(self, file: str, path: Path) -> int | None:
        scope = find(self._draft.tree, path)
        places = () if scope is None else self._draft.stanzas(scope)
        return max((at for at in places if self._draft.source(at).file == file), default=None)

    def _in_stanza(self, at: int, lines: list[str]) -> Draft | None:
        source = self._draft.source(at)
        spans = Spans(source)
        node = spans.node(at)
        if not isinstance(node, (Stanza, Loader)):
            return None
        return self._edited(source, [in_block(source.text, spans.block(node), lines)])

    def _appended(self, file: str, lines: list[str]) -> str:
        text = self._draft.texts.text(file)
        return applied(text, [at_end(text, lines)])

    def _edited(self, source: Source, edits: list[Edit]) -> Draft:
        return self._draft.with_text(source.file, applied(source.text, edits))

    def _in_place(self, at: int, known: schema.Option, value: Value) -> Draft | None:
        source = self._draft.source(at)
        spans = Spans(source)
        node = spans.node(at)
        if isinstance(node, Attribute):
            text = _as_attribute(node, known, value)
            return None if text is None else self._edited(source, [Edit(spans.value(node), text)])
        if not isinstance(node, Entry) or not _is_name_of(node.key.text, known):
            return None
        span = spans.value(node)
        text = _value_text(known, value, indent_at(source.text, span.start), newline(source.text))
        return self._edited(source, [Edit(span, text if spans.has_equals(node) else f"= {text}")])

    # --- unset ---

    def unset(self, path: Path, known: schema.Option) -> Draft:
        """The draft in which the option is not set there. Raises Unwritable or ConfigurationInvalid."""
        self._refuse_rule_list(path)
        scope = find(self._draft.tree, path)
        name = known.name.lower()
        places = [] if scope is None else self._draft.settings(scope, name)
        after = self._without(places, f"'{known.name}'", lambda node: _says_name(node, known))
        if set_in(find(after.tree, path), name) is not None:
            raise Unwritable(f"'{known.name}' in {path_text(path)} cannot be unset: other text sets it again")
        return after

    def unset_scope(self, path: Path) -> Draft:
        """The draft in which nobody wrote that scope. Raises Unwritable or ConfigurationInvalid."""
        scope = find(self._draft.tree, path)
        if scope is None:
            return self._draft
        what = path_text(path)
        for places in (self._own_places(scope), [*self._all_places(scope)]):
            after = self._without(places, what, lambda node: not isinstance(node, Attribute))
            if find(after.tree, path) is None and _number(after.tree) <= _number(self._draft.tree) - _number(scope):
                return after  # else what stood inside is somewhere else now: 2.x names the group in the binding
        raise Unwritable(f"{what} cannot be unset: other text makes it again")

    def _own_places(self, scope: Scope) -> list[int]:
        return self._draft.stanzas(scope) or [scope.at]

    def _all_places(self, scope: Scope) -> Iterator[int]:
        yield from self._own_places(scope)
        for child in scope.children.values():
            yield from self._all_places(child)

    def _without(self, places: Iterable[int], what: str, fits: Callable[[object], bool]) -> Draft:
        """The draft without what is named at these places."""
        by_file: dict[str, list[int]] = {}
        for at in places:
            by_file.setdefault(self._draft.source(at).file, []).append(at)
        texts = self._draft.texts
        for file, positions in by_file.items():
            source = self._draft.source(positions[0])
            if not self._open(file):
                place = self._draft.sources.place(positions[0])
                raise Unwritable(f"{what} stands at {place}, in a file that may not be written")
            texts = texts.with_text(file, applied(source.text, self._removals(source, positions, what, fits)))
        return Draft(texts, self._draft.search)

    def _removals(self, source: Source, positions: list[int], what: str, fits: Callable[[object], bool]) -> list[Edit]:
        spans = Spans(source)
        found = []
        for at in dict.fromkeys(positions):
            node = spans.node(at)
            span = spans.whole(node) if isinstance(node, (Entry, Attribute, Stanza, Loader, Element)) else None
            if isinstance(node, Attribute):
                span = spans.attributes_around(node) or span
            if span is None or not fits(node):
                place = self._draft.sources.place(at)
                raise Unwritable(f"{what} is part of another setting at {place}: change it there, or {_CONVERT}")
            found.append(span)
        outer = [span for span in found if not any(_is_inside(span, other) for other in found)]
        return [removal(source.text, span) for span in outer]


def _number(scope: Scope) -> int:
    """How many scopes there are, all depths."""
    return 1 + sum(_number(child) for child in scope.children.values())


def _is_inside(inner: tuple[int, int], outer: tuple[int, int]) -> bool:
    return inner != outer and outer[0] <= inner[0] and inner[1] <= outer[1]


def _says(draft: Draft, path: Path, known: schema.Option, value: Value) -> bool:
    """Whether the option has the wanted value in a draft."""
    setting = set_in(find(draft.tree, path), known.name.lower())
    if setting is None:
        return False
    if bare(setting.value) == bare(value):
        return True
    if not isinstance(setting.value, Scalar) or not isinstance(value, Scalar) or known.type.kind != "bool":
        return False
    return setting.decoded is (value.text.lower() in TRUE)


def _is_name_of(key: str, known: schema.Option) -> bool:
    """Whether a key of a file names that option and nothing else besides."""
    lowered, name = key.lower(), known.name.lower()
    return lowered == name or _OTHER_NAMES.get(lowered) == name or name in {prefix + lowered for prefix in _PREFIXES}


def _says_name(node: object, known: schema.Option) -> bool:
    if isinstance(node, Attribute):
        lowered = node.name.text.lower()
        return _ATTRIBUTES.get(lowered, lowered) == known.name.lower()
    return isinstance(node, Entry) and _is_name_of(node.key.text, known)


def _as_attribute(node: Attribute, known: schema.Option, value: Value) -> str | None:
    if not isinstance(value, Scalar) or not _says_name(node, known):
        return None
    if node.name.text.lower() in _SWITCHES:
        return '"enabled"' if value.text.lower() in TRUE else '"disabled"'
    return printer.quoted(value.text)


def _value_text(known: schema.Option, value: Value, indent: str, end: str) -> str:
    """A value as it stands behind `=`."""
    lines = list(printer.entry_lines(known.name, value, indent))
    head = f"{indent}{printer.key_text(known.name)} = "
    return end.join([lines[0].removeprefix(head), *lines[1:]])
