"""The syntax tree: what was written, in both dialects, before any meaning (configuration §3).

Every node knows its position (`at`, see source.py). Named tuples, because a large file has millions of nodes.
"""

from typing import Final, NamedTuple, TypeAlias, Union

made: Final = tuple.__new__
"""A node from its fields, in a third of the time of the constructor: a large file has millions of them."""


class Scalar(NamedTuple):
    """A bareword, a quoted string or a regex name. `quote` is how it was written: "", a quote mark, or "/"."""

    text: str
    at: int = -1
    quote: str = ""


class Attribute(NamedTuple):
    """`name="value"` between `<` and `>`."""

    name: Scalar
    value: Scalar


class Element(NamedTuple):
    """One element of a list: a scalar, perhaps with attributes, perhaps with a dictionary or list of its own."""

    scalar: Scalar
    attributes: tuple[Attribute, ...] = ()
    body: Union["Dict", "Array", None] = None


class Array(NamedTuple):
    """`( element … )`"""

    elements: tuple[Element, ...]
    at: int = -1


class Entry(NamedTuple):
    """`key = value`: a statement, or an entry of a dictionary."""

    key: Scalar
    value: Union[Scalar, Array, "Dict"]


class Dict(NamedTuple):
    """`[ key = value … ]`, in order, repeated keys kept."""

    entries: tuple[Entry, ...]
    at: int = -1


class Stanza(NamedTuple):
    """`name { … }` or `name instance <attributes> { … }`. `equals_at` is the place of a superfluous `=` (W01)."""

    name: Scalar
    instance: Scalar | None
    attributes: tuple[Attribute, ...]
    body: tuple["Statement", ...]
    equals_at: int | None = None


class Loader(NamedTuple):
    """2.x: `Logger logging/ec_logger ec_logger passive <…> { … }`."""

    kind: Scalar
    path: Scalar
    symbol: Scalar
    modifier: Scalar | None
    attributes: tuple[Attribute, ...]
    body: tuple["Statement", ...]


class Include(NamedTuple):
    """`include "X"` or `readonly_include "X"`."""

    target: Scalar
    read_only: bool


Value: TypeAlias = Scalar | Array | Dict
Statement: TypeAlias = Entry | Stanza | Loader | Include
