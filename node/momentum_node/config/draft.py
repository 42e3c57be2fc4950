"""A text with changes that is not loaded yet: its merged tree, and where each option and stanza stands in it.

Types and names are checked as in a load; what needs the whole (cross checks) waits for the commit.
"""

from collections.abc import Iterator
from contextlib import suppress

from momentum_node.config.endpoints import Endpoint
from momentum_node.config.files import FileReader, Files
from momentum_node.config.lowering import lower
from momentum_node.config.merge import Builder
from momentum_node.config.messages import ConfigurationInvalid
from momentum_node.config.source import Report, Source, TooManyErrors
from momentum_node.config.syntax import Include, Scalar, Statement, Value
from momentum_node.config.texts import Texts
from momentum_node.config.tree import Scope, Setting

_LOCAL = "file://"


class Draft:
    """Immutable once made. Raises ConfigurationInvalid with every finding about names and types."""

    def __init__(self, texts: Texts, search: tuple[str, ...] = ()) -> None:
        self.texts, self.search = texts, search
        files = _WatchedFiles(texts, search)
        builder = _Recording(files.report)
        with suppress(TooManyErrors):
            lower(builder, files.statements(texts.entry))
            files.local_changes(builder, texts.entry)
            builder.finish()
        if files.report.error_count:
            raise ConfigurationInvalid(files.report.errors, count=files.report.error_count)
        self.tree = builder.tree
        self.sources = files.sources
        self.read_only = files.read_only()
        self._builder = builder

    def with_text(self, path: str, text: str) -> "Draft":
        """The draft after a change of one file."""
        return Draft(self.texts.with_text(path, text), self.search)

    def settings(self, scope: Scope, name: str) -> list[int]:
        """Where an option (lower case) is set in a scope: positions of the names, in reading order."""
        places = list(self._builder.options.get((id(scope), name), ()))
        setting = scope.settings.get(name)
        return places if setting is None or setting.at in places else [*places, setting.at]

    def stanzas(self, scope: Scope) -> list[int]:
        """Where a scope is opened: positions of the names of its stanzas, in reading order."""
        return self._builder.stanzas.get(id(scope), [])

    def source(self, at: int) -> Source:
        """The file of a position."""
        return self.sources.of(at)


class _Recording(Builder):
    """Remembers where everything stood; the tree alone knows only the last setting and the first stanza."""

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self.options: dict[tuple[int, str], list[int]] = {}
        self.stanzas: dict[int, list[int]] = {}
        self._alive: list[Scope] = []  # so that no two scopes ever get the same id

    def open(
        self, parent: Scope, name: Scalar, instance: Scalar | None, matched: Endpoint | None = None
    ) -> Scope | None:
        scope = super().open(parent, name, instance, matched)
        if scope is not None:
            self._alive.append(scope)
            self.stanzas.setdefault(id(scope), []).append(name.at)
        return scope

    def option(self, scope: Scope, key: Scalar, value: Value) -> None:
        super().option(scope, key, value)
        self.options.setdefault((id(scope), key.text.lower()), []).append(key.at)


class _WatchedFiles(Files):
    """Knows which files may not be written: read through `readonly_include`, read twice, or through a URI (§1.6)."""

    def __init__(self, read: FileReader, search: tuple[str, ...]) -> None:
        super().__init__(read, contained=False, search=search)
        self._times: dict[str, int] = {}
        self._protected: set[str] = set()
        self._inside_read_only = False

    def read_only(self) -> frozenset[str]:
        return frozenset(self._protected | {path for path, times in self._times.items() if times > 1})

    def _file(self, path: str, data: bytes) -> tuple[Statement, ...]:
        self._times[path] = self._times.get(path, 0) + 1
        if self._inside_read_only:
            self._protected.add(path)
        return super()._file(path, data)

    def _include(self, include: Include) -> Iterator[Statement]:
        outside = self._inside_read_only
        foreign = "://" in include.target.text and not include.target.text.lower().startswith(_LOCAL)
        self._inside_read_only = outside or include.read_only or foreign
        yield from super()._include(include)
        self._inside_read_only = outside


def set_in(scope: Scope | None, name: str) -> Setting | None:
    """The setting of an option (lower case) exactly there."""
    return None if scope is None else scope.settings.get(name)
