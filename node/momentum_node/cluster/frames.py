"""The frames with which every connection to a cluster listener begins. Pure.

    0   4   N, length of what follows, unsigned big-endian
    4   N   msgpack array of 3: [ type, rid, body ], body a map of texts to values

    HELLO     1   client → server   v, svc, node, role; of a service its own keys
    HELLO_OK  2   server → client   v, node
    ERROR   255   server → client   code, msg

The client speaks first. Keys that a reader does not know are skipped.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgpack

from momentum_node.errors import ProtocolError

HELLO: Final = 1
HELLO_OK: Final = 2
ERROR: Final = 255
VERSION: Final = 1
MAX_GREETING_BYTES: Final = 4096
LENGTH_BYTES: Final = 4
ALPN: Final = "eccluster/1"


@dataclass(frozen=True, slots=True)
class Hello:
    """Who wants what. `shard`: of a move of mail, the shard whose messages it carries."""

    service: str
    node: str
    role: str = "node"
    shard: int = 0


def encode(kind: int, rid: int, body: Mapping[str, object]) -> bytes:
    """One frame."""
    packed: bytes = msgpack.packb([kind, rid, dict(body)])
    return len(packed).to_bytes(LENGTH_BYTES) + packed


def length(head: bytes) -> int:
    """What follows the first four bytes of a greeting. Raises `ProtocolError` when that is too much for one."""
    size = int.from_bytes(head)
    if not 3 <= size <= MAX_GREETING_BYTES:
        raise ProtocolError(f"a greeting of {size} bytes")
    return size


def decode(data: bytes) -> tuple[int, int, dict[str, Any]]:
    """Type, rid and body of what follows the length. Raises `ProtocolError`."""
    try:
        kind, rid, body = msgpack.unpackb(data)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise ProtocolError(f"a frame of {len(data)} bytes cannot be read: {error}") from None
    if not (isinstance(kind, int) and isinstance(rid, int) and isinstance(body, dict)):
        raise ProtocolError("a frame is [type, rid, body]")
    return kind, rid, body


def hello(one: Hello) -> bytes:
    """The first frame of a connection."""
    body = {"v": VERSION, "svc": one.service, "node": one.node, "role": one.role, "shard": one.shard}
    return encode(HELLO, 1, body)


def read_hello(data: bytes) -> Hello:
    """What `hello` made. Raises `ProtocolError`."""
    kind, _, body = decode(data)
    service, node, role, shard = body.get("svc"), body.get("node"), body.get("role", "node"), body.get("shard", 0)
    if kind != HELLO or body.get("v") != VERSION:
        raise ProtocolError("a connection begins with HELLO of version 1")
    if not (isinstance(service, str) and isinstance(node, str) and isinstance(role, str) and isinstance(shard, int)):
        raise ProtocolError("svc, node and role of a HELLO are texts")
    return Hello(service, node, role, shard)


def hello_ok(node: str) -> bytes:
    """The answer of `node`."""
    return encode(HELLO_OK, 1, {"v": VERSION, "node": node})


def error(code: str, message: str) -> bytes:
    """The answer to a HELLO that is not welcome."""
    return encode(ERROR, 1, {"code": code, "msg": message})


def check_welcome(data: bytes, node: str) -> None:
    """Return when `data` is `node`'s HELLO_OK. Raises `ProtocolError` with what it says instead."""
    kind, _, body = decode(data)
    if kind == ERROR:
        raise ProtocolError(f"{node} refuses: {body.get('code')}: {body.get('msg')}")
    if kind != HELLO_OK or body.get("node") != node:
        raise ProtocolError(f"{body.get('node')} answers instead of {node}")
