"""Files and includes (configuration §1): which text is read, in which order, within bounds."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from momentum_node.config.lexer import SyntaxFault
from momentum_node.config.lowering import lower
from momentum_node.config.merge import Builder
from momentum_node.config.parser import parse
from momentum_node.config.source import Report, Source, Sources
from momentum_node.config.syntax import Include, Loader, Scalar, Stanza, Statement

MAX_INCLUDES = 32  # includes inside includes
MAX_TEXT = 64 << 20  # characters that all includes together may expand to
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


class FileReader(Protocol):
    """Gives the bytes of a file. Raises FileNotFoundError; may raise IsADirectoryError (then see DirectoryReader)."""

    def __call__(self, path: str, /) -> bytes: ...


@runtime_checkable
class DirectoryReader(Protocol):
    """A reader that can also list a directory, for `include "conf.d"`."""

    def entries(self, path: str, /) -> Sequence[str]:
        """The names of the regular files in a directory, in any order."""


class _Parsed(NamedTuple):
    """One file as it was read."""

    statements: tuple[Statement, ...]
    size: int  # bytes
    may_include: bool  # the word stands in it somewhere: otherwise nobody needs to walk through it


class Files:
    """Everything one load reads. Faults go to `report`; a file that cannot be parsed adds nothing."""

    def __init__(self, read: FileReader, *, contained: bool, search: tuple[str, ...]) -> None:
        self._read, self._contained, self._search = read, contained, search
        self.sources = Sources()
        self.report = Report(self.sources)
        self._parsed: dict[str, _Parsed] = {}  # by path
        self._stack: list[str] = []
        self._characters = 0
        self._hash = hashlib.sha256()

    def digest(self) -> str:
        """SHA-256 of all bytes read, in the order of reading, hexadecimal."""
        return self._hash.hexdigest()

    def statements(self, main: str) -> tuple[Statement, ...]:
        """The statements of the main file, includes expanded."""
        data = self._main(main)
        return () if data is None else self._file(main, data)

    def syntax(self, main: str) -> tuple[Statement, ...]:
        """The statements of one file as they are written, includes not followed."""
        source = self.source(main)
        return () if source is None else self._parse(source)

    def source(self, main: str) -> Source | None:
        """The text of one file; None after the fault was reported."""
        data = self._main(main)
        return None if data is None else self._source(main, data)

    def _main(self, main: str) -> bytes | None:
        try:
            return self._read(main)
        except OSError as wrong:
            self.sources.add(main, "")
            self.report.error(0, "P006", f"'{main}' cannot be read: {_why(wrong)}")
            return None

    def local_changes(self, builder: Builder, main: str) -> None:
        """`Local_Changes_File` is read last of all, wherever the option stands; a missing one is no fault."""
        setting = builder.tree.settings.get("local_changes_file")
        if setting is None or not isinstance(setting.value, Scalar):
            return
        path, at = setting.value.text, setting.value.at
        if self._contained:
            self.report.error(at, "P006", f"'{path}' is a file of the machine: a resource reads only its own files")
        elif path == main or path in self._parsed:
            self.report.error(at, "X006", f"Local_Changes_File '{path}' is already part of the configuration")
        else:
            try:
                data = self._read(path)
            except OSError:
                return
            lower(builder, self._file(path, data))

    # --- one file ---

    def _file(self, path: str, data: bytes) -> tuple[Statement, ...]:
        known = self._parsed.get(path)
        if known is None:
            self._hash.update(data)
            source = self._source(path, data)
            includes = source is not None and "include" in source.text.lower()
            known = _Parsed(self._parse(source) if source else (), len(data), includes)
            self._parsed[path] = known
        self._characters += known.size
        if not known.may_include:
            return known.statements
        self._stack.append(path)
        expanded = tuple(self._expanded(known.statements))
        self._stack.pop()
        return expanded

    def _source(self, path: str, data: bytes) -> Source | None:
        try:
            return self.sources.add(path, data.decode().removeprefix("\ufeff"))
        except UnicodeDecodeError as wrong:
            before = data[: wrong.start].decode().removeprefix("\ufeff")
            source = self.sources.add(path, before)
            text = f"byte 0x{data[wrong.start]:02X} is not UTF-8"
            self.report.error(source.base + len(before), "L003", text, "save the file as UTF-8")
            return None

    def _parse(self, source: Source) -> tuple[Statement, ...]:
        try:
            return parse(source)
        except SyntaxFault as fault:
            self.report.error(fault.at, fault.code, fault.text, fault.hint)
            return ()

    # --- includes ---

    def _expanded(self, statements: tuple[Statement, ...]) -> Iterator[Statement]:
        for statement in statements:
            if isinstance(statement, Include):
                yield from self._include(statement)
            elif isinstance(statement, (Stanza, Loader)) and _has_include(statement):
                yield statement._replace(body=tuple(self._expanded(statement.body)))
            else:
                yield statement

    def _include(self, include: Include) -> Iterator[Statement]:
        target = include.target
        if len(self._stack) >= MAX_INCLUDES:
            self.report.error(target.at, "P007", f"includes are nested more than {MAX_INCLUDES} deep")
        elif self._characters > MAX_TEXT:
            self.report.error(target.at, "P007", f"includes expand to more than {MAX_TEXT >> 20} MiB")
        elif self._refused(target):
            return
        else:
            for path in self._candidates(target.text):
                try:
                    data = b"" if path in self._parsed else self._read(path)
                except FileNotFoundError:
                    continue
                except IsADirectoryError:
                    yield from self._directory(include, path)
                except OSError as wrong:
                    self.report.error(target.at, "P006", f"'{path}' cannot be read: {_why(wrong)}")
                else:
                    yield from self._included(target, path, data)
                return
            self._missing(target)

    def _missing(self, target: Scalar) -> None:
        hint = "a resource includes only its own configuration files, by name" if self._contained else None
        self.report.error(target.at, "P006", f"included file '{target.text}' is not found", hint)

    def _included(self, target: Scalar, path: str, data: bytes) -> tuple[Statement, ...]:
        if path in self._stack:
            self.report.error(target.at, "P007", f"'{path}' includes itself: {' → '.join([*self._stack, path])}")
            return ()
        return self._file(path, data)

    def _directory(self, include: Include, path: str) -> Iterator[Statement]:
        if not isinstance(self._read, DirectoryReader):
            self.report.error(include.target.at, "P006", f"'{path}' is a directory")
            return
        for name in sorted(self._read.entries(path), key=str.encode):
            if not name.startswith("."):
                inner = f"{path.rstrip('/')}/{name}"
                try:
                    data = self._read(inner)
                except OSError as wrong:
                    self.report.error(include.target.at, "P006", f"'{inner}' cannot be read: {_why(wrong)}")
                else:
                    yield from self._included(include.target, inner, data)

    def _refused(self, target: Scalar) -> bool:
        """Whether an include may not be read at all, reported at its place."""
        path, uri = target.text, _URI.match(target.text)
        text = None
        if not path or "\0" in path:
            text = f"'{path}' is not the name of a file"
        elif self._contained and (uri or path.startswith("/") or ".." in path.split("/")):
            text = f"'{path}' is outside of this resource: it includes only its own configuration files, by name"
        elif uri and uri.group(1).lower() != "file":
            text = f"no reader for '{uri.group(1)}' is registered: '{path}' cannot be included"
        if text is not None:
            self.report.error(target.at, "P006", text)
        return text is not None

    def _candidates(self, text: str) -> Iterator[str]:
        """Absolute: as it is. Relative: beside the including file, then along the search path."""
        uri = _URI.match(text)
        path = text[uri.end() :] if uri else text
        if path.startswith("/") or self._contained:
            yield path
            return
        here, slash, _ = self._stack[-1].rpartition("/") if self._stack else ("", "", "")
        yield f"{here}{slash}{path}"
        for directory in self._search:
            yield f"{directory.rstrip('/')}/{path}"


def _has_include(statement: Stanza | Loader) -> bool:
    return any(
        isinstance(inner, Include) or (isinstance(inner, (Stanza, Loader)) and _has_include(inner))
        for inner in statement.body
    )


def _why(wrong: OSError) -> str:
    return wrong.strerror or type(wrong).__name__
