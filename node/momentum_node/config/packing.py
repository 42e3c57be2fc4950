"""Values of a compiled configuration as msgpack: data only, nothing in it is executed.

Model objects are extension types, numbered here. A value as it is written is the text of a scalar, `["(", elements]`
for a list, `["[", entries]` for a dictionary. Places inside a value are not kept: that of its setting stands beside it.
"""

from dataclasses import fields, is_dataclass
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Final

import msgpack

from momentum_node.config import model
from momentum_node.config.messages import Message
from momentum_node.config.syntax import Array, Attribute, Dict, Element, Entry, Scalar, Value

_TEXTS: Final[tuple[type[Any], ...]] = (IPv4Address, IPv6Address, IPv4Network, IPv6Network)
_MODEL: Final = tuple(kind for _, kind in sorted(vars(model).items()) if isinstance(kind, type) and is_dataclass(kind))
_OBJECTS: Final[tuple[type[Any], ...]] = (*_MODEL, Message)
_SET: Final = 9
_FIRST_OBJECT: Final = 10
_CODES: Final = {kind: code for code, kind in (*enumerate(_TEXTS), *enumerate(_OBJECTS, _FIRST_OBJECT))}
_NAMES: Final = {kind: tuple(field.name for field in fields(kind)) for kind in _OBJECTS}
_KINDS: Final = {code: kind for kind, code in _CODES.items()}
# Making a packer takes longer than packing one object. One that is at work cannot pack what is inside its object.
_idle: Final[list[msgpack.Packer]] = []


def shape() -> bytes:
    """What a reader has to agree on: the names and fields of everything that is packed. 16 bytes."""
    names = repr([(kind.__name__, _NAMES[kind]) for kind in _OBJECTS])
    return sha256(names.encode()).digest()[:16]


def pack(value: object) -> bytes:
    """Plain values, and objects of the model in them."""
    packer = _idle.pop() if _idle else msgpack.Packer(default=_extension)
    packed: bytes = packer.pack(value)
    _idle.append(packer)
    return packed


def unpack(data: bytes) -> Any:
    """The other way; every array is a tuple."""
    return msgpack.unpackb(data, use_list=False, ext_hook=_object, strict_map_key=False)


def _extension(value: object) -> msgpack.ExtType:
    kind = type(value)
    if isinstance(value, frozenset):
        return msgpack.ExtType(_SET, pack(sorted(value)))
    code = _CODES[kind]
    if code < _FIRST_OBJECT:
        return msgpack.ExtType(code, str(value).encode())
    return msgpack.ExtType(code, pack([getattr(value, name) for name in _NAMES[kind]]))


def _object(code: int, data: bytes) -> object:
    if code == _SET:
        return frozenset(unpack(data))
    kind = _KINDS[code]
    return kind(data.decode()) if code < _FIRST_OBJECT else kind(*unpack(data))


# --- values as they are written ---


def written(value: Value) -> object:
    """A value as plain texts and lists."""
    if isinstance(value, Scalar):
        return value.text
    if isinstance(value, Array):
        return "(", [_element(element) for element in value.elements]
    return "[", [(entry.key.text, written(entry.value)) for entry in value.entries]


def _element(element: Element) -> object:
    if not element.attributes and element.body is None:
        return element.scalar.text
    attributes = [(attribute.name.text, attribute.value.text) for attribute in element.attributes]
    return element.scalar.text, attributes, None if element.body is None else written(element.body)


def value_of(packed: Any) -> Value:
    """The other way."""
    if isinstance(packed, str):
        return Scalar(packed)
    sign, items = packed
    if sign == "(":
        return Array(tuple(_element_of(item) for item in items))
    return Dict(tuple(Entry(Scalar(key), value_of(value)) for key, value in items))


def _element_of(packed: Any) -> Element:
    if isinstance(packed, str):
        return Element(Scalar(packed))
    text, attributes, body = packed
    found = tuple(Attribute(Scalar(name), Scalar(value)) for name, value in attributes)
    inner = None if body is None else value_of(body)
    return Element(Scalar(text), found, None if isinstance(inner, Scalar) else inner)
