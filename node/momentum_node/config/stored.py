"""Reads a compiled configuration (compiled.py) where it lies, usually in mapped memory: a scope is decoded when it is
asked for, and the same look-ups run over it as over a tree that was read from text.

What is given out holds the buffer; when the last of it is gone, so is the mapping.
"""

import struct
from bisect import bisect_left
from collections.abc import ItemsView, Iterable, Iterator, Mapping, MutableMapping, ValuesView
from hashlib import sha256
from mmap import mmap
from typing import Any, Final, NoReturn, TypeAlias, TypeVar

from momentum_node.config import schema
from momentum_node.config.bindings import Bindings
from momentum_node.config.compiled import COUNT, DIGESTED_FROM, ENTRY, HEADER, MAGIC, VERSION, child_key
from momentum_node.config.indexing import NOTHING, Index
from momentum_node.config.loading import Loaded
from momentum_node.config.lookup import keep
from momentum_node.config.lookup_inbound import InboundLookup
from momentum_node.config.lookup_outbound import OutboundLookup
from momentum_node.config.model import NodeConfiguration, Place
from momentum_node.config.packing import shape, unpack, value_of
from momentum_node.config.source import Report, Sources
from momentum_node.config.tree import AclRule, Scope, Setting
from momentum_node.config.values import decode
from momentum_node.errors import ConfigurationError

MOST_DECODED: Final = 2048  # scopes, and values of a table, that are kept
Data: TypeAlias = bytes | mmap
Key: TypeAlias = tuple[str, str]
Item = TypeVar("Item")


class CompiledUnusable(ConfigurationError):
    """A compiled file that is damaged, cut short, or of another version. The node's core writes a new one."""


def check(parts: Iterable[bytes]) -> None:
    """Whether a file is whole, by its digest; its parts in order, the header in the first one. Raises CompiledUnusable.

    Reading the file once more for this is cheaper than mapping all of it into every process.
    """
    rest = iter(parts)
    first = next(rest, b"")
    length, digest = _header(first)[3:5]
    found, size = sha256(first[DIGESTED_FROM:]), len(first)
    for part in rest:
        found.update(part)
        size += len(part)
    if size != length or found.digest() != digest:
        raise CompiledUnusable(f"the compiled configuration is damaged: {size} of {length} bytes, or a wrong digest")


def stored(data: Data) -> Loaded:
    """The generation in a file that `check` found whole. Raises CompiledUnusable."""
    head, root = _header(data[: HEADER.size])[6:]
    file = _File(data)
    try:
        return _loaded(file, unpack(file.value(head)), root)
    except (ValueError, KeyError, TypeError, IndexError, struct.error) as wrong:
        raise CompiledUnusable(f"the compiled configuration cannot be read: {wrong!r}") from wrong


def _header(start: bytes) -> tuple[Any, ...]:
    if len(start) < HEADER.size or not start.startswith(MAGIC):
        raise CompiledUnusable("this is not a compiled configuration")
    fields = HEADER.unpack_from(start)
    if fields[1] != VERSION or fields[5] != shape():
        raise CompiledUnusable("the compiled configuration is of another version of momentum-node")
    return fields


def _loaded(file: "_File", head: dict[str, Any], root: int) -> Loaded:
    tree = file.scope(root)
    tree.groups = _Table(file, head["groups"])
    tables = (_Table(file, head[name]) for name in ("bindings", "senders", "movable"))
    node = NodeConfiguration(**{**head["node"], "bindings": Bindings(*tables)})
    places = _Places(file, head["files"])
    return Loaded(node, head["warnings"], tree, places, InboundLookup(tree), OutboundLookup(tree))


class _File:
    """Entries by their positions."""

    def __init__(self, data: Data) -> None:
        self.data = data
        self._scopes: dict[int, Scope] = {}

    def key(self, position: int) -> bytes:
        start = position + ENTRY.size
        return self.data[start : start + COUNT.unpack_from(self.data, position)[0]]

    def value(self, position: int) -> bytes:
        return self.data[slice(*self._value(position))]

    def _value(self, position: int) -> tuple[int, int]:
        key, value = ENTRY.unpack_from(self.data, position)
        start = position + ENTRY.size + key
        return start, start + value

    def scope(self, position: int) -> Scope:
        """Asked for again soon, it is the same object."""
        found = self._scopes.get(position)
        if found is None:
            start, end = self._value(position)
            found = _scope(unpack(self.data[start:end]))
            if COUNT.unpack_from(self.data, end)[0]:
                found.children = _Children(self, end)
            keep(self._scopes, position, found, MOST_DECODED)
        return found


def _scope(packed: Any) -> Scope:
    name, instance, at, instance_at, settings, *rest = packed
    kind = name.lower()
    scope = Scope(name, instance, at, instance_at, {item[0].lower(): _setting(kind, *item) for item in settings})
    scope.index = NOTHING
    if rest:
        index, rules = rest
        scope.index = Index(*index)
        scope.acl = [AclRule(_scope(inner), continues, unites) for inner, continues, unites in rules]
    return scope


def _setting(kind: str, name: str, packed: Any, at: int) -> Setting:
    known = schema.option(kind, name.lower())
    if known is None:
        raise KeyError(name)
    value = value_of(packed)
    return Setting(name, value, at, decode(name, known.type, value, Report(Sources())))


class _Positions:
    """The entries of one table."""

    def __init__(self, file: _File, position: int) -> None:
        self._file, self._start = file, position + COUNT.size
        self._count: int = COUNT.unpack_from(file.data, position)[0]

    def __len__(self) -> int:
        return self._count

    def declared(self) -> Iterator[int]:
        for number in range(self._count):
            yield COUNT.unpack_from(self._file.data, self._start + number * COUNT.size)[0]

    def find(self, key: bytes) -> int | None:
        """The position of the entry with that key."""
        place = bisect_left(range(self._count), key, key=lambda number: self._file.key(self._ordered(number)))
        if place == self._count:
            return None
        position = self._ordered(place)
        return position if self._file.key(position) == key else None

    def _ordered(self, number: int) -> int:
        position: int = COUNT.unpack_from(self._file.data, self._start + (self._count + number) * COUNT.size)[0]
        return position


class _Children(MutableMapping[Key, Scope]):
    """The children of one scope, in the order in which they were declared. A compiled tree is not changed."""

    def __init__(self, file: _File, position: int) -> None:
        self._file, self._positions = file, _Positions(file, position)

    def __getitem__(self, key: Key) -> Scope:
        position = self._positions.find(child_key(*key))
        if position is None:
            raise KeyError(key)
        return self._file.scope(position)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, tuple) and self._positions.find(child_key(*key)) is not None

    def __iter__(self) -> Iterator[Key]:
        return (key for key, _ in self._entries())

    def __len__(self) -> int:
        return len(self._positions)

    def __setitem__(self, key: Key, _scope: Scope) -> NoReturn:
        raise TypeError(f"a compiled configuration is not changed: {key}")

    def __delitem__(self, key: Key) -> NoReturn:
        raise TypeError(f"a compiled configuration is not changed: {key}")

    def items(self) -> ItemsView[Key, Scope]:
        return _Items(self)

    def values(self) -> ValuesView[Scope]:
        return _Scopes(self)

    def scopes(self) -> Iterator[tuple[Key, Scope]]:
        """All of them, without looking for each."""
        return ((key, self._file.scope(position)) for key, position in self._entries())

    def _entries(self) -> Iterator[tuple[Key, int]]:
        for position in self._positions.declared():
            kind, _, key = self._file.key(position).decode().partition("\0")
            yield (kind, key), position


class _Items(ItemsView[Key, Scope]):
    _mapping: _Children

    def __iter__(self) -> Iterator[tuple[Key, Scope]]:
        return self._mapping.scopes()


class _Scopes(ValuesView[Scope]):
    _mapping: _Children

    def __iter__(self) -> Iterator[Scope]:
        return (scope for _, scope in self._mapping.scopes())


class _Table(Mapping[str, Any]):
    """Values by name; those asked for last are kept."""

    def __init__(self, file: _File, position: int) -> None:
        self._file, self._positions = file, _Positions(file, position)
        self._kept: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name in self._kept:
            return self._kept[name]
        position = self._positions.find(name.encode())
        if position is None:
            raise KeyError(name)
        return keep(self._kept, name, unpack(self._file.value(position)), MOST_DECODED)

    def __iter__(self) -> Iterator[str]:
        return (self._file.key(position).decode() for position in self._positions.declared())

    def __len__(self) -> int:
        return len(self._positions)


class _Places:
    """Line numbers of the files that were read; see source.Sources."""

    def __init__(self, file: _File, files: tuple[tuple[str, int, tuple[int, int]], ...]) -> None:
        self._file, self._files = file, files

    def place(self, at: int, /) -> Place:
        if at < 0 or not self._files:
            return Sources().place(at)
        name, base, (start, count) = self._files[bisect_left(self._files, at + 1, key=lambda one: one[1]) - 1]

        def begins(number: int) -> int:
            offset: int = COUNT.unpack_from(self._file.data, start + number * COUNT.size)[0]
            return offset

        line = bisect_left(range(count), at - base + 1, key=begins)
        return Place(name, line, at - base - begins(line - 1) + 1)
