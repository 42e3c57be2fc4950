"""libcmap.so.4 through cffi in ABI mode: Corosync's own numbers, read and never written.

Every call here asks the daemon and waits for ever if it is frozen: use a thread. Declarations by hand from cmap.h.
"""

import struct
from collections.abc import Iterator
from enum import IntEnum
from functools import cache
from typing import Any, TypeAlias

from cffi import FFI

from momentum_node.errors import BusError

LIBRARY = "libcmap.so.4"
_KEY_BYTES = 256  # CMAP_KEYNAME_MAXLEN and its zero

_DECLARATIONS = """
typedef uint64_t cmap_handle_t;
typedef uint64_t cmap_iter_handle_t;
int cmap_initialize_map(cmap_handle_t *, int map);
int cmap_finalize(cmap_handle_t);
int cmap_get(cmap_handle_t, const char *key, void *value, size_t *value_len, int *type);
int cmap_iter_init(cmap_handle_t, const char *prefix, cmap_iter_handle_t *);
int cmap_iter_next(cmap_handle_t, cmap_iter_handle_t, char *key, size_t *value_len, int *type);
int cmap_iter_finalize(cmap_handle_t, cmap_iter_handle_t);
"""
_OK = 1
_NUMBERS = {1: "b", 2: "B", 3: "h", 4: "H", 5: "i", 6: "I", 7: "q", 8: "Q", 9: "f", 10: "d"}
"""cmap_value_types_t as `struct` formats."""
_STRING = 11

Value: TypeAlias = int | float | str


class Map(IntEnum):
    """cmap_map_t: what is configured and who is on the ring; and what is counted."""

    ICMAP = 0
    STATS = 1


@cache
def _library() -> tuple[Any, Any]:
    """Load the library once. Raises `BusError` when it is not installed."""
    ffi = FFI()
    ffi.cdef(_DECLARATIONS)
    try:
        return ffi, ffi.dlopen(LIBRARY)
    except OSError as error:
        raise BusError(f"cannot load {LIBRARY} ({error}): install the package libcmap4") from None


def read(which: Map, prefix: str) -> dict[str, Value]:
    """All keys of a map that begin with `prefix`, binary values left out. Raises `BusError` (blocks: see above)."""
    ffi, lib = _library()
    handle = ffi.new("cmap_handle_t *")
    _check("cmap_initialize_map", lib.cmap_initialize_map(handle, which))
    try:
        found = ((key, _get(ffi, lib, handle[0], key, kind, size)) for key, kind, size in _keys(handle[0], prefix))
        return {key: value for key, value in found if value is not None}
    finally:
        lib.cmap_finalize(handle[0])


def _keys(handle: Any, prefix: str) -> Iterator[tuple[str, int, int]]:
    """(key, type, bytes)."""
    ffi, lib = _library()
    position = ffi.new("cmap_iter_handle_t *")
    _check("cmap_iter_init", lib.cmap_iter_init(handle, prefix.encode(), position))
    key, size, kind = ffi.new(f"char[{_KEY_BYTES}]"), ffi.new("size_t *"), ffi.new("int *")
    try:
        while lib.cmap_iter_next(handle, position[0], key, size, kind) == _OK:
            yield ffi.string(key).decode(), int(kind[0]), int(size[0])
    finally:
        lib.cmap_iter_finalize(handle, position[0])


def _get(ffi: Any, lib: Any, handle: Any, key: str, kind: int, bytes_needed: int) -> Value | None:
    """None for a key that is gone since it was listed, or is of no use here."""
    if kind not in _NUMBERS and kind != _STRING:
        return None
    size = ffi.new("size_t *", bytes_needed)
    value = ffi.new(f"char[{bytes_needed}]")
    if lib.cmap_get(handle, key.encode(), value, size, ffi.NULL) != _OK:
        return None
    raw = bytes(ffi.buffer(value, size[0]))
    if kind == _STRING:
        return raw.rstrip(b"\0").decode(errors="replace")
    number: int | float = struct.unpack(_NUMBERS[kind], raw)[0]
    return number


def _check(call: str, code: int) -> None:
    if code != _OK:
        raise BusError(f"{call} failed with cs_error {code}: does Corosync run here, and are we root?")
