"""The door of this room: `config …` and `write config`, from words to an answer (configuration §13)."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from momentum_node.config import schema
from momentum_node.config.messages import ConfigurationInvalid
from momentum_node.config.paths import PathFault
from momentum_node.config.placement import Unwritable
from momentum_node.config.transactions import Generation, Session, TransactionFault
from momentum_node.config.words import changing, filing, reading
from momentum_node.config.words.answer import FORMATS, Answer, Question, refusal
from momentum_node.config.words.line import check, split

Command = Callable[[Question, Sequence[str]], Answer]

COMMANDS: Mapping[str, tuple[Command, str]] = MappingProxyType(
    {
        "get": (reading.get, "PATH OPTION: the value that is set exactly there"),
        "eval": (reading.evaluated, "PATH OPTION: the value after fallback"),
        "set": (changing.set_option, "PATH OPTION [=] VALUE: set an option"),
        "unset": (changing.unset, "PATH [OPTION]: clear an option, or a scope with everything inside"),
        "show": (reading.show, "[PATH] [OPTION]: one scope"),
        "showrecurse": (reading.show_all, "[PATH]: one scope with everything inside"),
        "locate": (reading.locate, "SCOPE [REGEX]: where the instances of a scope are"),
        "begin": (changing.begin, "[from scratch]: open a transaction"),
        "commit": (changing.commit, "make the transaction what runs"),
        "rollback": (changing.rollback, "drop the transaction"),
        "replay": (changing.replay, "list the changes of the transaction"),
        "check": (filing.check, "[FILE]: what a reload would say"),
        "reload": (filing.reload, "[FILE]: read all files again"),
        "writeback": (filing.write_back, "[FILE]: write the changes into the files"),
    }
)


def run(words: Sequence[str], session: Session, generation: Generation, now: float) -> Answer:
    """Answer one command, without its effects having happened. `words` begin with `config` or `write config`, perhaps
    with `json` or `xml` before. Never raises for what a person typed or a file says."""
    form = words[0].lower() if words and words[0].lower() in FORMATS else "text"
    question = Question(session, generation, now)
    answer = _answer(question, list(words if form == "text" else words[1:]))
    if form == "text":
        return answer
    return Answer(answer.formatted(form), answer.session, answer.status, answer.effects, answer.data)


def run_line(text: str, session: Session, generation: Generation, now: float) -> Answer:
    """`run` for a line as it was typed."""
    try:
        words = split(text)
    except PathFault as fault:
        return refusal(Question(session, generation, now), f"error: {fault}")
    return run(words, session, generation, now)


def _answer(question: Question, words: list[str]) -> Answer:
    try:
        check(words)
        return _command(words)(question, words[2:])
    except ConfigurationInvalid as invalid:
        return refusal(question, invalid.text)
    except (PathFault, TransactionFault, Unwritable) as fault:
        return refusal(question, f"error: {fault}")


def _command(words: list[str]) -> Command:
    start = [word.lower() for word in words[:2]]
    if start == ["write", "config"]:
        return filing.write_whole
    if start[:1] != ["config"]:
        raise PathFault("it is `config COMMAND` or `write config`")
    if len(start) == 1 or start[1] == "help":
        return _help
    found = COMMANDS.get(start[1])
    if found is None:
        near = min(COMMANDS, key=lambda name: (schema.distance(start[1][:64], name), name))
        good = schema.distance(start[1][:64], near) <= 2
        raise PathFault(f"'{words[1]}' is not a config command; {_meant(near) if good else _known()}")
    return found[0]


def _meant(name: str) -> str:
    return f"did you mean `config {name}`?"


def _known() -> str:
    return f"known are {', '.join(COMMANDS)}"


def _help(question: Question, _words: Sequence[str]) -> Answer:
    return Answer("\n".join(f"config {name}  {meaning}" for name, (_, meaning) in COMMANDS.items()), question.session)
