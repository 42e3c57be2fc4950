"""A console in memory: commands as they are typed, answers as they are printed, files that can be looked at."""

from collections.abc import Mapping

from momentum_node.config.transactions import Generation, Origin, Session, first
from momentum_node.config.words.answer import Answer
from momentum_node.config.words.console import run_line
from momentum_node.config.writeback import Install, WriteFiles
from tests.support.configuration import MemoryFiles

MAIN = "main.conf"


class WritableMemory(MemoryFiles):
    """Files in memory, all of which could be written but the named ones."""

    def __init__(self, files: Mapping[str, str | bytes], protected: tuple[str, ...] = ()) -> None:
        super().__init__(files)
        self.protected = protected

    def writable(self, path: str, /) -> bool:
        return path not in self.protected


class Node:
    """What all consoles of one node share: the generation that runs, and the files."""

    def __init__(self, text: str | bytes, *, protected: tuple[str, ...] = (), **files: str) -> None:
        named = {f"{name}.conf": content for name, content in files.items()}
        self.disk = WritableMemory({MAIN: text, **named}, protected)
        self.now = 100.0
        self.generation: Generation = first(MAIN, Origin(self.disk), self.now)

    def console(self) -> "Console":
        """One more person."""
        return Console(self)

    def text(self, path: str = MAIN) -> str:
        """A file as it is in memory, changed or not."""
        return self.generation.texts.text(path)

    def do(self, answer: Answer) -> None:
        """Perform the effects, as the node's driver does."""
        for effect in answer.effects:
            if isinstance(effect, Install):
                self.generation = effect.generation
            elif isinstance(effect, WriteFiles):
                self.disk.files.update({change.path: change.after for change in effect.files})


class Console:
    """One person's session."""

    def __init__(self, node: Node) -> None:
        self.node, self.session = node, Session()
        self.status = 0

    def __call__(self, line: str) -> str:
        """Type a line; what is printed."""
        answer = run_line(line, self.session, self.node.generation, self.node.now)
        self.node.do(answer)
        self.session, self.status = answer.session, answer.status
        return answer.text


def console(text: str | bytes, *, protected: tuple[str, ...] = (), **files: str) -> Console:
    """The only console of a node with this main file; `sub="…"` is a file `sub.conf` that it may include."""
    return Node(text, protected=protected, **files).console()
