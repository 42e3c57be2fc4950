"""Reading a nested mapping field by field: every error carries the path of its field, and all of them are collected.

The API server checks the same by the schema; `render` reads files that no API server has seen.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, TypeAlias, TypeVar

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
T = TypeVar("T")


@dataclass(frozen=True, order=True, slots=True)
class Problem:
    """What is wrong and where: `spec.vips[1].address` or, for a text, `spec.configuration:3:14`."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class Fields:
    """One mapping. Each field is taken once; `close` names those that nobody took."""

    def __init__(self, value: object, path: str, problems: list[Problem]) -> None:
        self.path = path
        self.problems = problems
        self._taken: set[str] = set()
        self._values: Mapping[str, Any] = {}
        if isinstance(value, Mapping):
            self._values = value
        elif value is not None:
            self.refuse("", f"must be a mapping of fields, not {_kind(value)}")

    def refuse(self, name: str, message: str) -> None:
        """Note a problem with field `name` ("" = this mapping itself)."""
        self.problems.append(Problem(f"{self.path}.{name}" if name else self.path, message))

    def has(self, name: str) -> bool:
        """Whether the field is given."""
        return self._values.get(name) is not None

    def text(self, name: str, default: T, *, required: bool = False, among: Iterable[str] = ()) -> str | T:
        """A string, not empty; one of `among` if that is given."""
        value = self._take(name, str, required)
        if value is None:
            return default
        allowed = tuple(among)
        if not value and not allowed and name != "content":
            self.refuse(name, "must not be empty")
        elif allowed and value not in allowed:
            self.refuse(name, f"{value!r} is not one of {', '.join(allowed)}")
            return default
        return str(value)

    def number(self, name: str, default: T, low: int, high: int | None = None) -> int | T:
        """A whole number between `low` and `high`."""
        value = self._take(name, int, required=False)
        if value is None:
            return default
        if value < low or (high is not None and value > high):
            self.refuse(
                name, f"{value} is not between {low} and {high}" if high is not None else f"{value} is below {low}"
            )
            return default
        return int(value)

    def address(self, name: str) -> Address | None:
        """An IP address; required."""
        return self._parsed(name, ip_address, "an IPv4 or IPv6 address, such as 192.0.2.41", required=True)

    def network(self, name: str, *, required: bool = True) -> Network | None:
        """A network in CIDR form without host bits."""
        return self._parsed(name, ip_network, "a network in CIDR form, such as 192.0.2.0/24", required=required)

    def inner(self, name: str, *, required: bool = False) -> "Fields":
        """The fields of a mapping; of an empty one when it is not given."""
        return Fields(self._take(name, dict, required), f"{self.path}.{name}", self.problems)

    def each(self, name: str) -> list["Fields"]:
        """The mappings of a list, in order."""
        items = self._take(name, list, required=False) or []
        return [Fields(item, f"{self.path}.{name}[{index}]", self.problems) for index, item in enumerate(items)]

    def texts(self, name: str, check: Callable[[str], object] = str, what: str = "a text") -> tuple[str, ...]:
        """The strings of a list; `check` raises `ValueError` for one that is not `what`."""
        return tuple(
            text
            for index, text in enumerate(self._take(name, list, required=False) or [])
            if self._fits(name, index, text, check, what)
        )

    def raw(self, name: str) -> Any:
        """Whatever is there, unread."""
        self._taken.add(name)
        return self._values.get(name)

    def close(self) -> None:
        """Every field that was not taken is unknown."""
        for name in sorted(set(self._values) - self._taken):
            self.refuse(str(name), f"unknown field; known here: {', '.join(sorted(self._taken))}")

    def _fits(self, name: str, index: int, text: object, check: Callable[[str], object], what: str) -> bool:
        try:
            if not isinstance(text, str) or not text:
                raise ValueError  # noqa: TRY301
            check(text)
        except ValueError:
            self.refuse(f"{name}[{index}]", f"{text!r} is not {what}")
            return False
        return True

    def _parsed(self, name: str, parse: Callable[[str], T], what: str, *, required: bool) -> T | None:
        value = self._take(name, str, required)
        if value is None:
            return None
        try:
            return parse(value)
        except ValueError as error:
            hint = " (it has host bits set)" if re.search("host bits", str(error)) else ""
            self.refuse(name, f"{value!r} is not {what}{hint}")
            return None

    def _take(self, name: str, kind: type, required: bool) -> Any:
        self._taken.add(name)
        value = self._values.get(name)
        if value is None:
            if required:
                self.refuse(name, "is required")
            return None
        if not isinstance(value, kind) or isinstance(value, bool):
            self.refuse(name, f"must be {_KINDS[kind]}, not {_kind(value)}")
            return None
        return value


_KINDS: Mapping[type, str] = {str: "a text", int: "a whole number", dict: "a mapping of fields", list: "a list"}


def _kind(value: object) -> str:
    return _KINDS.get(type(value), type(value).__name__)
