"""What a command answers: text for a person, data for a program, the session after it, and what has to be done."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from momentum_node.config.transactions import Generation, Session
from momentum_node.config.writeback import Effect

FORMATS = ("xml", "json")  # words in front of a command


@dataclass(frozen=True, eq=False)
class Question:
    """What a command is asked in."""

    session: Session
    generation: Generation
    now: float


@dataclass(frozen=True, eq=False)
class Answer:
    """`status` 0 = done, 1 = refused. `effects` are to be performed in their order; when one fails the rest is dropped,
    the text is replaced by the failure, and `session` counts all the same."""

    text: str
    session: Session
    status: int = 0
    effects: tuple[Effect, ...] = ()
    data: Mapping[str, object] = field(default_factory=dict)

    def formatted(self, form: str) -> str:
        """The answer as "text", "json" or "xml"."""
        if form == "text":
            return self.text
        whole = {"status": self.status, **(self.data or {"text": self.text})}
        if form == "json":
            return json.dumps(whole, indent=2, ensure_ascii=False)
        return "\n".join(["<config>", *_lines(whole, "  "), "</config>"])


def refusal(question: Question, text: str) -> Answer:
    """Nothing is changed, and why."""
    return Answer(text, question.session, 1, data={"error": text.removeprefix("error: ")})


def _lines(data: object, indent: str) -> list[str]:
    """Mappings as elements named by their keys, lists as elements `item`, everything else as text."""
    if isinstance(data, Mapping):
        pairs = [(str(key), value) for key, value in data.items()]
    elif isinstance(data, (list, tuple)):
        pairs = [("item", value) for value in data]
    else:
        return [f"{indent}{_escaped(data)}"]
    found = []
    for name, value in pairs:
        if value is None:
            found.append(f"{indent}<{name}/>")
        elif isinstance(value, (Mapping, list, tuple)):
            found += [f"{indent}<{name}>", *_lines(value, indent + "  "), f"{indent}</{name}>"]
        else:
            found.append(f"{indent}<{name}>{_escaped(value)}</{name}>")
    return found


def _escaped(value: object) -> str:
    text = str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(character if character.isprintable() or character in "\n\t" else "?" for character in text)
