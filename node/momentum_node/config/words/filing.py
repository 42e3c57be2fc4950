"""Commands about files: check, reload, writeback, write config (configuration §12.2, §12.4, §13)."""

from collections.abc import Sequence

from momentum_node.config import writeback
from momentum_node.config.messages import ConfigurationInvalid
from momentum_node.config.paths import PathFault
from momentum_node.config.transactions import TransactionFault
from momentum_node.config.words.answer import Answer, Question, refusal
from momentum_node.config.words.changing import news
from momentum_node.config.writeback import FileChange, Install, WriteFiles


def check(question: Question, words: Sequence[str]) -> Answer:
    """What a reload would say; in a transaction without a file: what a commit would say."""
    main = _file("check", words)
    generation, transaction = question.generation, question.session.transaction
    if transaction is not None and main is None:
        after = generation.followed_by(transaction.draft.texts, question.now)
    else:
        after = generation.reloaded(main, question.now)
    told = news(generation, after)
    return Answer("\n".join([*told, "Configuration valid"]), question.session, data={"valid": True, "warnings": told})


def reload(question: Question, words: Sequence[str]) -> Answer:
    """Read all files again; changes that were not written are gone."""
    main = _file("reload", words)
    if question.session.transaction is not None:
        raise TransactionFault("no reload inside a transaction: `config commit` or `config rollback` ends it")
    try:
        after = question.generation.reloaded(main, question.now)
    except ConfigurationInvalid as invalid:
        return refusal(question, f"{invalid.text}\nReconfigure failed")
    told = news(question.generation, after)
    text = "\n".join([*told, "Reconfigure complete"])
    data = {"generation": after.number, "warnings": told}
    return Answer(text, question.session, 0, (Install(after),), data)


def write_back(question: Question, words: Sequence[str]) -> Answer:
    """Write what was changed into the files it belongs to, or the main file's text into another file."""
    main = _file("writeback", words)
    files, after = writeback.writeback(question.generation, main)
    unsaved = question.generation.texts.unsaved
    lines = [f"{change.path} written" for change in files]
    if unsaved:
        lines += [
            "warning: no file can take these changes; they are lost at the next start or reload:",
            unsaved.rstrip(),
        ]
    if not lines:
        lines = ["Nothing to write: the files have all changes."]
    data = {"written": [change.path for change in files], "unsaved": unsaved}
    effects = (WriteFiles(files), Install(after)) if files else ()
    return Answer("\n".join(lines), question.session, 0, effects, data)


def write_whole(question: Question, words: Sequence[str]) -> Answer:
    """Everything that runs as one text, without the changes of an open transaction."""
    path = _file("write config", words)
    text = writeback.whole(question.generation)
    if path is None:
        return Answer(text.rstrip("\n"), question.session)
    change = FileChange(path, None, text.encode(), whatever=True)
    return Answer(f"{path} written", question.session, 0, (WriteFiles((change,)),), {"written": [path]})


def _file(command: str, words: Sequence[str]) -> str | None:
    if len(words) > 1:
        raise PathFault(f"`{command}` takes one file, not {len(words)} words")
    return words[0] if words else None
