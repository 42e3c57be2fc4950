"""Value types (configuration §4): a scalar, list or dictionary as written becomes a Python value, or a fault
with the code and text of §15. The type comes from the schema, never from how the value is written."""

import re
from typing import NamedTuple

from momentum_node.config import endpoints, patterns
from momentum_node.config.model import Monitor
from momentum_node.config.source import Report
from momentum_node.config.syntax import Array, Dict, Scalar, Value

TRUE = frozenset({"true", "on", "yes", "enabled", "1"})
FALSE = frozenset({"false", "off", "no", "disabled", "0"})
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}\Z")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})\Z")
_OCTAL = re.compile(r"[0-7]{1,5}\Z")
_THROTTLE = re.compile(r"([0-9]{1,12})(?:/([0-9]{1,12}))?\Z")
_MONITOR = re.compile(r"\s*([0-9]{1,12})\s*,\s*([0-9]{1,12})\s*\Z")
_LONGEST_WINDOW_S = 31 * 86_400
_MOST_WINDOWS = 1_000
COMMA_HINT = "list elements are separated by blanks, not by commas"


class Type(NamedTuple):
    """A value type of the schema. `many`: a list of it. `low` and `high` bound numbers; `words` are an enum's."""

    kind: str
    many: bool = False
    low: int | None = None
    high: int | None = None
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        word = " ".join(self.words) if self.kind == "enum" else self.kind
        return f"array of {word}" if self.many else word


class Throttle(NamedTuple):
    """`number` events in any window of `seconds`; 0 = no limit."""

    number: int
    seconds: int


class ValueFault(ValueError):
    """A value that does not fit its type; `text` is a whole sentence for a message."""

    def __init__(self, code: str, text: str, hint: str | None = None) -> None:
        self.code, self.text, self.hint = code, text, hint
        super().__init__(text)


def decode(name: str, kind: Type, value: Value, report: Report) -> object:
    """The Python value of option `name`, or None after the faults were reported at their places."""
    if kind.kind == "any":
        return value
    if kind.kind == "dict":
        return _dictionary(name, value, report)
    if kind.many:
        return _list(name, kind, value, report)
    if not isinstance(value, Scalar):
        shape = "a list" if isinstance(value, Array) else "a dictionary"
        report.error(value.at, "V001", f"'{name}' takes one value, not {shape}")
        return None
    return _scalar(name, kind, value, report)


def _scalar(name: str, kind: Type, value: Scalar, report: Report) -> object:
    try:
        decoded = _checked(name, kind, value.text, report)
    except ValueFault as fault:
        report.error(value.at, fault.code, fault.text, fault.hint or _separator_hint(value))
        return None
    if kind.kind == "cidr" and endpoints.network(value.text)[1]:
        report.warning(value.at, "W05", f"'{value.text}' has host bits set: read as {decoded}")
    if kind.kind == "string" and not value.quote and value.text[-1:] in {";", ","}:
        report.warning(value.at, "W08", f"the value ends in '{value.text[-1]}': '{value.text}'", SEPARATOR_HINT)
    return decoded


def _checked(name: str, kind: Type, text: str, report: Report) -> object:
    """Decode within what all expressions of one configuration may cost together."""
    if kind.kind == "regex":
        try:
            report.patterns.check(text)
        except ValueError as wrong:
            raise ValueFault("V004", f"regular expression does not compile: {wrong}") from None
    return decode_text(name, kind, text)


SEPARATOR_HINT = "there are no commas or semicolons between statements"


def _separator_hint(value: Scalar) -> str | None:
    if value.quote or value.text[-1:] not in {";", ","}:
        return None
    return SEPARATOR_HINT


def _list(name: str, kind: Type, value: Value, report: Report) -> object:
    if isinstance(value, Dict):
        report.error(value.at, "V001", f"'{name}' takes a list `( … )`, not a dictionary")
        return None
    if isinstance(value, Scalar):
        report.warning(value.at, "W04", f"'{name}' takes a list: '{value.text}' is read as its only element")
        return (_scalar(name, kind, value, report),)
    decoded = []
    for element in value.elements:
        if element.body is not None or element.attributes:
            report.error(element.scalar.at, "V001", f"the elements of '{name}' are plain values")
        elif element.scalar.text.endswith(",") and not element.scalar.quote:
            decoded.append(_comma(name, kind, element.scalar, report))
        else:
            decoded.append(_scalar(name, kind, element.scalar, report))
    return tuple(decoded)


def _comma(name: str, kind: Type, scalar: Scalar, report: Report) -> object:
    try:
        decoded = _checked(name, kind, scalar.text, report)
    except ValueFault as fault:
        report.error(scalar.at, fault.code, fault.text, COMMA_HINT)
        return None
    report.warning(scalar.at, "W08", f"the value ends in ',': '{scalar.text}'", COMMA_HINT)
    return decoded


def _dictionary(name: str, value: Value, report: Report) -> object:
    if isinstance(value, Dict):
        return {entry.key.text: plain(entry.value) for entry in value.entries}
    report.error(value.at, "V001", f"'{name}' takes a dictionary: `{name} = [ key = value … ]`")
    return None


def plain(value: Value) -> object:
    """A value without its places: text, list of (text or (text, attributes, body)), or list of pairs."""
    if isinstance(value, Scalar):
        return value.text
    if isinstance(value, Dict):
        return {"dict": [(entry.key.text, plain(entry.value)) for entry in value.entries]}
    return [
        element.scalar.text
        if element.body is None and not element.attributes
        else (
            element.scalar.text,
            tuple((attribute.name.text.lower(), attribute.value.text) for attribute in element.attributes),
            None if element.body is None else plain(element.body),
        )
        for element in value.elements
    ]


def decode_text(name: str, kind: Type, text: str) -> object:
    """The Python value of one scalar of a type; raises ValueFault."""
    return _DECODERS[kind.kind](name, kind, text)


def _string(_name: str, _kind: Type, text: str) -> object:
    return text


def _integer(name: str, kind: Type, text: str) -> object:
    if not _INTEGER.match(text):
        raise ValueFault("V001", f"'{name}' needs a number, not '{text}'", _plain_number(text))
    return _in_range(name, kind, int(text), text)


def _seconds(name: str, kind: Type, text: str) -> object:
    if not _INTEGER.match(text):
        raise ValueFault("V001", f"'{name}' needs a number of seconds, not '{text}'", _duration(text))
    return _in_range(name, kind._replace(low=kind.low or 0), int(text), text)


_DURATION = re.compile(r"([0-9]{1,9})\s*(s|m|h|d|w|sec|min|hour|day|week|second|minute)s?\Z", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def _duration(text: str) -> str | None:
    """The number of seconds that somebody meant who wrote a unit."""
    match = _DURATION.match(text)
    if match:
        return f"write {int(match[1]) * _SECONDS[match[2][0].lower()]}"
    return _plain_number(text)


def _plain_number(text: str) -> str | None:
    return "a whole number, without unit or separators" if text[:1].isdigit() and text[-1] not in ";," else None


def _in_range(name: str, kind: Type, number: int, text: str) -> int:
    low, high = kind.low, kind.high
    if (low is not None and number < low) or (high is not None and number > high):
        wanted = f"{low}-{high}" if low is not None and high is not None else f"{low} or more"
        raise ValueFault("V002", f"'{name}' must be {wanted}, not {text}")
    return number


def _float(name: str, kind: Type, text: str) -> object:
    if not _DECIMAL.match(text):
        raise ValueFault("V001", f"'{name}' needs a decimal number, not '{text}'")
    number = float(text)
    if kind.low is not None and number < kind.low:
        raise ValueFault("V002", f"'{name}' must be {kind.low} or more, not {text}")
    return number


def _rate(name: str, kind: Type, text: str) -> object:
    number = _float(name, kind, text)
    if number == 0:
        raise ValueFault("V002", f"'{name}' must be more than 0, not {text}")
    return number


def _bool(name: str, _kind: Type, text: str) -> object:
    word = text.lower()
    if word in TRUE or word in FALSE:
        return word in TRUE
    raise ValueFault("V001", f"'{name}' needs true or false (or on, off, yes, no, enabled, disabled), not '{text}'")


def _perms(name: str, _kind: Type, text: str) -> object:
    if not _OCTAL.match(text) or int(text, 8) > 0o7777:
        raise ValueFault("V001", f"'{name}' needs octal permissions, not '{text}'")
    return int(text, 8)


def _enum(name: str, kind: Type, text: str) -> object:
    word = next((word for word in kind.words if word.lower() == text.lower()), None)
    if word is None:
        raise ValueFault("V005", f"'{name}' must be one of {', '.join(kind.words)}, not '{text}'")
    return word


def _throttle(_name: str, _kind: Type, text: str) -> object:
    match = _THROTTLE.match(text)
    if match is None:
        raise ValueFault("V001", f'\'{text}\' is not a throttle: write "N" per second or "N/S" per S seconds')
    seconds = int(match.group(2) or "1")
    if seconds < 1:
        raise ValueFault("V001", f"'{text}' is not a throttle: the window must be 1 second or more")
    return Throttle(int(match.group(1)), seconds)


def _monitor(_name: str, _kind: Type, text: str) -> object:
    match = _MONITOR.match(text)
    if match is None:
        raise ValueFault("V001", f"'{text}' is not a monitor: write \"S,N\" for N windows of S seconds")
    window_s, windows = map(int, match.groups())
    if not 1 <= window_s <= _LONGEST_WINDOW_S:
        raise ValueFault("V002", f"'{text}' is not a monitor: a window has 1-{_LONGEST_WINDOW_S} seconds")
    if not 1 <= windows <= _MOST_WINDOWS:
        raise ValueFault("V002", f"'{text}' is not a monitor: 1-{_MOST_WINDOWS} windows are kept")
    return Monitor(window_s, windows)


def _address(_name: str, _kind: Type, text: str) -> object:
    try:
        return None if text == "*" else endpoints.address(text)
    except ValueError as wrong:
        hint = "an address alone, without a port" if text.count(":") == 1 else None
        raise ValueFault("V003", str(wrong), hint) from None


def _endpoint(_name: str, kind: Type, text: str) -> object:
    try:
        return endpoints.endpoint(text, kind.low or 25)
    except ValueError as wrong:
        raise ValueFault("V003", str(wrong)) from None


def _cidr(_name: str, _kind: Type, text: str) -> object:
    try:
        return endpoints.network(text)[0]
    except ValueError as wrong:
        raise ValueFault("V003", str(wrong)) from None


def _regex(_name: str, _kind: Type, text: str) -> object:
    try:
        return patterns.compiled(text)
    except ValueError as wrong:
        raise ValueFault("V004", f"regular expression does not compile: {wrong}") from None


def _retries(name: str, kind: Type, text: str) -> object:
    if text.lower() in {"auto", "none"}:
        return text.lower()
    if not _INTEGER.match(text):
        raise ValueFault("V001", f"'{name}' needs auto, none or a number, not '{text}'")
    return _in_range(name, kind._replace(low=0), int(text), text)


def _line_length(name: str, kind: Type, text: str) -> object:
    if text.lower() == "ignore":
        return 0
    if not _INTEGER.match(text):
        raise ValueFault("V001", f"'{name}' needs ignore or a number of bytes, not '{text}'")
    return _in_range(name, kind._replace(low=_SHORTEST_LINE), int(text), text)


def _aggressiveness(name: str, kind: Type, text: str) -> object:
    if text.lower() in {"normal", "high"}:
        return {"normal": 0.3, "high": 0.75}[text.lower()]
    if not _DECIMAL.match(text):
        raise ValueFault("V001", f"'{name}' needs normal, high or a number from 0 to 1, not '{text}'")
    if not 0 <= float(text) <= 1:
        raise ValueFault("V002", f"'{name}' must be from 0 to 1, not {text}")
    return float(text)


_SHORTEST_LINE = 78  # RFC 5322 §2.1.1: what every line should keep to
_DECODERS = {
    "string": _string,
    "int": _integer,
    "seconds": _seconds,
    "float": _float,
    "rate": _rate,
    "bool": _bool,
    "perms": _perms,
    "enum": _enum,
    "throttle": _throttle,
    "monitor": _monitor,
    "addr": _address,
    "endpoint": _endpoint,
    "cidr": _cidr,
    "regex": _regex,
    "retries": _retries,
    "aggressiveness": _aggressiveness,
    "linelength": _line_length,
}
