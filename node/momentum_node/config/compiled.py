"""A configuration as one indexed file: written by the process that parsed the text, mapped by all others.

    0   8   magic           "MOMCONF" and a NUL
    8   4   version         of this drawing
   12   4   reserved        0
   16   8   length          of the whole file, bytes
   24  32   digest          SHA-256 of everything after it
   56  16   shape           names and fields of the packed model (packing.py)
   72   4   head            position of an entry: what is read when the file is mapped
   76   4   root            position of the scope that is the file itself
   80       entries, tables

    entry   key length u32, value length u32, key, value (msgpack)
    scope   an entry (key: kind, NUL, instance), then the table of its children
    table   count n u32, then n u32: entries as they were declared, and n u32: entries in the order of their keys

All numbers are little-endian; u32 positions count from the start of the file. Keys are compared as bytes, so a child is
found by bisection without decoding its neighbours. Bytes out; who writes and maps the file is generation.py.
"""

import struct
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import fields
from hashlib import sha256
from sys import byteorder
from typing import Final

import msgpack

from momentum_node.config.indexing import NOTHING, groups_of, index_of
from momentum_node.config.loading import Loaded, Places
from momentum_node.config.model import NodeConfiguration
from momentum_node.config.packing import pack, shape, written
from momentum_node.config.source import Source, Sources
from momentum_node.config.syntax import Scalar
from momentum_node.config.tree import Scope
from momentum_node.errors import ConfigurationError

MAGIC: Final = b"MOMCONF\0"
VERSION: Final = 1
HEADER: Final = struct.Struct("<8sIIQ32s16sII")
DIGESTED_FROM: Final = 56
ENTRY: Final = struct.Struct("<II")
COUNT: Final = struct.Struct("<I")
MOST_BYTES: Final = (1 << 32) - 1
_NO_CHILDREN: Final = COUNT.pack(0)
_PACK_ENTRY: Final = ENTRY.pack


def compiled(loaded: Loaded) -> bytes:
    """The whole file. Raises ConfigurationError when it would be longer than its positions can say."""
    writer = _Writer()
    root = writer.scope(b"", loaded.tree)
    head = writer.entry(b"", pack(_head(writer, loaded)))
    return writer.file(head, root)


def child_key(kind: str, key: str) -> bytes:
    """How a child stands in the table of its parent."""
    return f"{kind}\0{key}".encode()


def _head(writer: "_Writer", loaded: Loaded) -> dict[str, object]:
    node, bindings = loaded.node, loaded.node.bindings
    return {
        "node": {field.name: getattr(node, field.name) for field in fields(NodeConfiguration)} | {"bindings": None},
        "warnings": loaded.warnings,
        "files": [(source.file, source.base, writer.lines(source.starts)) for source in _files(loaded.sources)],
        "bindings": writer.table(bindings),
        "groups": writer.table(groups_of(loaded.tree)),
        "senders": writer.table(bindings.senders),
        "movable": writer.table(bindings.movable),
    }


class _Writer:
    """Collects the parts of the file; every method returns the position of what it added."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._position = HEADER.size
        self._packer = msgpack.Packer()  # one for all scopes: making it takes longer than packing one

    def entry(self, key: bytes, value: bytes) -> int:
        return self._add(_PACK_ENTRY(len(key), len(value)) + key + value)

    def scope(self, key: bytes, scope: Scope) -> int:
        """A scope with everything in it."""
        value, table = self._packer.pack(_scope(scope)), self._children(scope)
        return self._add(_PACK_ENTRY(len(key), len(value)) + key + value + table)

    def _children(self, scope: Scope) -> bytes:
        """The table of a scope's children. They are written side by side, after everything inside them: whoever
        looks for one of them reads few pages."""
        if not scope.children:
            return _NO_CHILDREN
        found = [
            (child_key(*name), self._packer.pack(_scope(child)), self._children(child))
            for name, child in scope.children.items()
        ]
        return _positions(
            [(key, self._add(_PACK_ENTRY(len(key), len(value)) + key + value + table)) for key, value, table in found]
        )

    def table(self, items: Mapping[str, object]) -> int:
        """A table of plain values and objects of the model, by name."""
        found = [(name.encode(), value) for name, value in items.items()]
        return self._add(_positions([(key, self.entry(key, pack(value))) for key, value in found]))

    def lines(self, starts: Iterable[int]) -> tuple[int, int]:
        """Numbers as u32; returns their position and how many they are."""
        numbers = array("I", starts)
        return self._add(_little(numbers)), len(numbers)

    def file(self, head: int, root: int) -> bytes:
        if self._position > MOST_BYTES:
            raise ConfigurationError(f"the configuration is too large: compiled it takes {self._position >> 20} MiB")
        fixed = HEADER.pack(MAGIC, VERSION, 0, self._position, bytes(32), shape(), head, root)
        self._parts.insert(0, fixed)
        whole = bytearray().join(self._parts)
        whole[24:DIGESTED_FROM] = sha256(memoryview(whole)[DIGESTED_FROM:]).digest()
        return bytes(whole)

    def _add(self, part: bytes) -> int:
        position = self._position
        self._parts.append(part)
        self._position = position + len(part)
        return position


def _positions(entries: list[tuple[bytes, int]]) -> bytes:
    declared = array("I", [position for _, position in entries])
    ordered = array("I", [position for _, position in sorted(entries)])
    return COUNT.pack(len(entries)) + _little(declared) + _little(ordered)


def _little(numbers: "array[int]") -> bytes:
    if byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def _scope(scope: Scope) -> list[object]:
    """A scope without its children; what is seldom there comes last and is left out at the end."""
    settings = [
        (setting.name, value.text if type(value := setting.value) is Scalar else written(value), setting.at)
        for setting in scope.settings.values()
    ]
    packed: list[object] = [scope.name, scope.instance, scope.at, scope.instance_at, settings]
    index = index_of(scope) if scope.children else NOTHING
    if index is not NOTHING or scope.acl:
        rules = [(_scope(rule.scope), rule.continues, rule.unites_relay_hosts) for rule in scope.acl]
        packed += [(dict(index.expressions), index.peers), rules]
    return packed


def _files(places: Places) -> list[Source]:
    if not isinstance(places, Sources):
        raise TypeError("only what was read from text is compiled")
    return places.files
