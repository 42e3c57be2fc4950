"""What somebody probably meant whose text is no valid syntax: habits of other languages, forgotten and turned quotes,
placeholders of a manual. It looks at the text around the fault only, so that the parser stays the grammar."""

import re
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from momentum_node.config import schema
from momentum_node.config.lexer import Lexer, SyntaxFault
from momentum_node.config.source import Source

SEPARATORS = "there are no commas or semicolons between statements"
CLASSES = ("Logger", "Module", "Validate", "IO_System", "Interpreter")
_SHOWN = 400  # characters around a fault that are looked at
_NAME = r"""["']?([A-Za-z_][\w-]*)["']?"""


class Fault(NamedTuple):
    """Where it is, seen from the statement in hand."""

    code: str
    line: str  # the line of the fault, up to it
    here: str  # from the fault on
    before: str  # what stands before the statement in its line
    above: str  # the line above the statement
    statement: str  # from its beginning on
    read: str  # from its beginning to the fault


def hint(text: str, begin: int, at: int, code: str) -> str | None:
    """Advice for the fault at offset `at` in a statement that begins at `begin`, or None: then the parser's stands."""
    if code == "L001":
        return _string(text, at)
    if code == "P003":
        return _never_closed(text, at)
    start = text.rfind("\n", 0, begin) + 1
    line = text.rfind("\n", 0, at) + 1
    fault = Fault(
        code,
        text[max(line, at - _SHOWN) : at],
        text[at : at + _SHOWN],
        text[max(start, begin - _SHOWN) : begin],
        text[max(0, start - _SHOWN) : max(0, start - 1)].rpartition("\n")[2],
        text[begin : begin + _SHOWN],
        text[begin : min(at, begin + _SHOWN)],
    )
    return next((found for guess in _GUESSES if (found := guess(fault)) is not None), None)


def _quotes(fault: Fault) -> str | None:
    if re.search("[“”„\u2018\u2019«»]", (fault.line + fault.here).partition("\n")[0]):
        return 'quotation marks are straight: write "…"'
    return None


def _comment(fault: Fault) -> str | None:
    if re.match(r"//|--|;[^;\s]|REM\s", fault.statement):
        return "a comment begins with `#` or stands in `/* */`"
    return None


def _left_out(fault: Fault) -> str | None:
    if re.match(r"\.\.\.|…|\.\s", fault.statement) or re.match(r"\.\.\.|…", fault.here):
        return "it stands for something that was left out: remove it"
    if re.match(r"<[\w| ]+>", fault.here):
        return "write the value itself; a value that contains `<` is quoted"
    return None


def _separator(fault: Fault) -> str | None:
    return SEPARATORS if re.match(r"[;,]", fault.statement) else None


def _colon(fault: Fault) -> str | None:
    named = re.match(rf"{_NAME}\s*:=|{_NAME}\s*:(?=\s)", fault.statement)
    if named:
        return f"an option is written `{named[1] or named[2]} = value`, without a colon"
    stanza = re.match(rf"{_NAME}[ \t]+(\S+):\s*$", fault.statement, re.MULTILINE)
    return f"a stanza is written `{stanza[1]} {stanza[2]} {{ … }}`" if stanza else None


def _lists(fault: Fault) -> str | None:
    shape = "a list is written `( a b )`, a dictionary `[ key = value ]`"
    if fault.here.startswith(",") and fault.code == "P002":
        return shape
    if re.search(r"=\s*\{\s*$", fault.before) or re.match(rf"{_NAME}\s*=\s*\{{", fault.statement):
        return shape if fault.code in {"P001", "P002"} else None
    if fault.here.startswith("=") and re.search(r"\(\s*[\"']?[\w.-]+[\"']?\s*$", fault.line):
        return "`key = value` stands in a dictionary `[ … ]`, not in a list"
    if fault.here.startswith("{") and re.search(r"\bListen\s+\S+\s*$", fault.read, re.IGNORECASE):
        return "a `Listen` stands in a stanza `ESMTP_Listener { … }`, not in a list"
    return None


def _behind_a_value(fault: Fault) -> str | None:
    """The statement before it ends in the same line: perhaps it goes on."""
    option = re.search(rf"{_NAME}\s*=\s*(\S+)\s+$", fault.before)
    if option and fault.statement.startswith("{"):
        return f"a named stanza has no `=`: `{option[1]} {option[2]} {{ … }}`"
    if option and fault.code in {"P001", "P002"} and not fault.statement.startswith(("=", "[", "(")):
        return f"it stands behind the value of '{option[1]}': quote a value with blanks, write several as `( a b )`"
    if re.search(r"include\s+\S+\s+$", fault.before, re.IGNORECASE):
        return "each file needs an include of its own"
    return None


def _no_value(fault: Fault) -> str | None:
    missing = re.search(rf"{_NAME}\s*=\s*$", fault.above)
    return f"is the value of '{missing[1]}' missing?" if missing and fault.here.startswith("=") else None


def _word_too_many(fault: Fault) -> str | None:
    """`set Max_Retries = 5`; and a name whose `=` and value are missing."""
    both = re.match(rf"{_NAME}(\s+){_NAME}\s*=", fault.statement) if fault.code == "P002" else None
    if both is None:
        return None
    if "\n" in both[2]:
        return f"is the value of '{both[1]}' missing?"
    known = schema.elsewhere(f"{both[1]}_{both[3]}".lower())
    return f"did you mean `{known[0].name}`?" if known else f"remove '{both[1]}': `{both[3]} = …`"


def _class(fault: Fault) -> str | None:
    word = re.match(r"(\w+)\s+\S+\s+\S+\s*[{<]", fault.statement)
    near = [known for known in CLASSES if word and schema.distance(word[1][:64].lower(), known.lower()) <= 3]
    return f"a module is loaded with `{near[0]} path symbol {{ … }}`" if near and fault.code == "P002" else None


def _two_names(fault: Fault) -> str | None:
    names = re.match(rf"{_NAME}[ \t]+(\S+)[ \t]+\S+\s*\{{", fault.statement) if fault.code == "P002" else None
    return f"a stanza has one name: `{names[1]} {names[2]} {{ … }}`" if names else None


def _attributes(fault: Fault) -> str | None:
    is_open = fault.here.startswith("{") and re.search(r"<[^<>\n]*$", fault.line)
    return "is a `>` missing before it?" if is_open else None


def _socket(fault: Fault) -> str | None:
    endpoint = re.match(r"([\d.*]*:\d+)(?:[,~]\d+)*\s", fault.statement)
    return f'in a stanza a socket is written `Listen "{endpoint[1]}" {{ … }}`' if endpoint else None


def _bracket(fault: Fault) -> str | None:
    if fault.code == "P004" and fault.statement.startswith(("}", "]", ")")):
        return "it is one too many, or an opening bracket is missing above"
    if fault.code == "P001" and fault.statement.startswith(("{", "[", "(")):
        return "an option is written `name = value`, a stanza `name { … }`"
    return None


_GUESSES: tuple[Callable[[Fault], str | None], ...] = (
    _quotes,
    _comment,
    _left_out,
    _separator,
    _colon,
    _lists,
    _behind_a_value,
    _no_value,
    _word_too_many,
    _class,
    _two_names,
    _attributes,
    _socket,
    _bracket,
)


def _string(text: str, at: int) -> str | None:
    """A quote without a partner: perhaps the one at fault stands before it."""
    if at and text[at - 1] not in " \t\r\n\f{}[]()=<>":
        line = _line_of_a_long_string(text, at)
        return "is the quote at its beginning missing?" if line is None else f"is a quote missing in line {line}?"
    return None


def _line_of_a_long_string(text: str, at: int) -> int | None:
    """Where the last string before `at` begins that goes on in another line: most are meant to end in theirs."""
    found = None
    with suppress(SyntaxFault):
        for raw, start in Lexer(Source("", text[:at], 0)).tokens(0):
            if raw[:1] in {'"', "'"} and "\n" in raw:
                found = start
    return None if found is None else text.count("\n", 0, found) + 1


def _never_closed(text: str, at: int) -> str | None:
    """A line below that is indented no deeper than the line of the bracket does not belong into it."""
    closer = {"{": "}", "[": "]", "(": ")", "<": ">"}[text[at]]
    start = text.rfind("\n", 0, at) + 1
    indent = re.compile(r"[ \t]*").match(text, start)
    depth = indent.end() - start if indent else 0
    for match in re.finditer(r"\n([ \t]*)(?=[A-Za-z])", text[at:]):
        if len(match[1]) <= depth:
            line = text.count("\n", 0, at + match.end()) + 1
            return f"is a `{closer}` missing before line {line}?"
    return None
