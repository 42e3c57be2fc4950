"""What is told about a configuration: messages with places, and their one text format (configuration §15).

<file>:<line>:<col>: error: <message> [<code>]
    <source line>
    <caret under the column>
  hint: <one line, optional>
<n> errors, configuration not loaded
"""

from collections.abc import Iterable
from dataclasses import dataclass

from momentum_node.config.model import Place
from momentum_node.errors import ConfigurationError

MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Message:
    """One finding. `severity` is "error" or "warning"; `line` is what is shown of the source line,
    `caret` the column in it, from 0."""

    place: Place
    severity: str
    code: str
    text: str
    hint: str | None = None
    line: str = ""
    caret: int = 0

    def __str__(self) -> str:
        return f"{self.place}: {self.severity}: {_printable(self.text)} [{self.code}]"


class ConfigurationInvalid(ConfigurationError):
    """The text cannot be loaded. `messages` are sorted by file and position; `text` is what a person is shown."""

    def __init__(self, messages: Iterable[Message], *, count: int | None = None) -> None:
        self.messages = tuple(sorted(messages, key=_order))
        self.text = formatted(self.messages, count=count)
        super().__init__(str(self.messages[0]) if self.messages else "configuration not loaded")


def _order(message: Message) -> tuple[Place, str, str]:
    return message.place, message.code, message.text


def formatted(messages: Iterable[Message], *, count: int | None = None) -> str:
    """The blocks of the first 20 messages and the summary line; `count` is how many there were in all."""
    ordered = sorted(messages, key=_order)
    stopping = [message for message in ordered if message.severity == "error"] or ordered
    word = "warning" if stopping and stopping[0].severity == "warning" else "error"
    number = count if count is not None else len(stopping)
    blocks = [block(message) for message in stopping[:MOST_SHOWN]]
    return "\n".join([*blocks, f"{number} {word}{'' if number == 1 else 's'}, configuration not loaded"])


def warnings_text(messages: Iterable[Message]) -> str:
    """The blocks of the first 20 warnings of a load that succeeded; empty when there are none."""
    return "\n".join(block(message) for message in sorted(messages, key=_order)[:MOST_SHOWN])


def block(message: Message) -> str:
    """One message with its source line, caret and hint."""
    lines = [str(message)]
    if message.line:
        lines += [f"    {_printable(message.line)}".rstrip(), "    " + " " * message.caret + "^"]
    if message.hint:
        lines.append(f"  hint: {_printable(message.hint)}")
    return "\n".join(lines)


def _printable(text: str) -> str:
    """`text` in one line, safe for a terminal: what a stranger wrote must not move the cursor."""
    return "".join(character if character.isprintable() else _stand_in(character) for character in text)


def _stand_in(character: str) -> str:
    return " " if character in "\t\r\n\f" else "\N{REPLACEMENT CHARACTER}"
