"""What becomes of files (configuration §12.4): values that say which file gets which bytes. A driver writes them."""

from dataclasses import dataclass, replace
from typing import TypeAlias

from momentum_node.config.printer import print_tree
from momentum_node.config.transactions import Generation


@dataclass(frozen=True, slots=True)
class FileChange:
    """`after` in place of `before`, None: the file is new. `whatever`: the file may have any content before, because a
    person named it; otherwise one that changed since it was read is not touched."""

    path: str
    before: bytes | None
    after: bytes
    whatever: bool = False


@dataclass(frozen=True, slots=True)
class WriteFiles:
    """Each file whole or not at all; nothing is put in place before all of it is on the disk."""

    files: tuple[FileChange, ...]


@dataclass(frozen=True, slots=True)
class Install:
    """This generation is the one that runs from now on."""

    generation: Generation


Effect: TypeAlias = WriteFiles | Install


def writeback(generation: Generation, main: str | None = None) -> tuple[tuple[FileChange, ...], Generation]:
    """The files that differ from what was read, and the generation after they are written. `main`: the main file's
    text goes there instead. What no file can take stays in memory (`texts.unsaved`)."""
    texts, saved = generation.texts, generation.saved
    changed = texts.changed_since(saved)
    found = [
        FileChange(path, saved.data(path) if path in saved.files else None, texts.data(path))
        for path in changed
        if main is None or path != texts.main
    ]
    if main is not None:
        found.append(FileChange(main, None, texts.data(texts.main), whatever=True))
    written = replace(texts, unsaved="")
    if main is not None and texts.main in saved.files:
        written = written.with_text(texts.main, saved.files[texts.main])
    return tuple(found), replace(generation, saved=written)


def whole(generation: Generation) -> str:
    """Everything that runs as one file of Momentum 3."""
    return print_tree(generation.loaded.tree)
