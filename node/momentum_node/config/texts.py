"""All text of one configuration, in memory: what was read, and as a person changed it since (configuration §12).

A configuration is its text. A change on the console is made to the text at once, and the generation that runs is what
this text says; writing it back is then a matter of files only. Texts are values: a change makes a new one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from momentum_node.config.files import DirectoryReader, FileReader

_BOM = "\ufeff"
ENTRY = "(all)"  # reads the main file, then what no file can take
UNSAVED = "(changes that no file can take)"


@runtime_checkable
class WritableFiles(Protocol):
    """A reader that also knows which files could be written, or made."""

    def writable(self, path: str, /) -> bool: ...


@dataclass(frozen=True)
class Texts:
    """`files`: path → text, without a byte order mark; those that had one are in `marked`. `folders` were included as
    a whole. `unsaved` is the virtual file for changes that no file can take (§12.4 rule 4), read after all others."""

    main: str
    files: Mapping[str, str]
    folders: frozenset[str] = frozenset()
    marked: frozenset[str] = frozenset()
    unsaved: str = field(default="", repr=False)

    @property
    def entry(self) -> str:
        """The file to load."""
        return ENTRY if self.unsaved else self.main

    def text(self, path: str) -> str:
        """The text of a file; "" for one that is still to be made."""
        return self.unsaved if path == UNSAVED else self.files.get(path, "")

    def with_text(self, path: str, text: str) -> "Texts":
        """The same with one file changed or added."""
        if path == UNSAVED:
            return replace(self, unsaved=text)
        return replace(self, files={**self.files, path: text})

    def data(self, path: str) -> bytes:
        """The bytes of a file as they belong on the disk."""
        return ((_BOM if path in self.marked else "") + self.files[path]).encode()

    def changed_since(self, before: "Texts") -> tuple[str, ...]:
        """The files whose text is another one now, in reading order."""
        return tuple(path for path, text in self.files.items() if before.files.get(path) != text)

    # --- a file reader ---

    def __call__(self, path: str, /) -> bytes:
        if path == ENTRY:
            return f'include "{_escaped(self.main)}" include "{UNSAVED}"'.encode()
        if path == UNSAVED:
            return self.unsaved.encode()
        if path in self.files:
            return self.files[path].encode()
        if path in self.folders:
            raise IsADirectoryError(path)
        raise FileNotFoundError(path)

    def entries(self, path: str, /) -> list[str]:
        inside = f"{path.rstrip('/')}/"
        names = (file.removeprefix(inside) for file in self.files if file.startswith(inside))
        return [name for name in names if name and "/" not in name]


def _escaped(path: str) -> str:
    return path.replace("\\", "\\\\").replace('"', '\\"')


class Recorder:
    """Reads through another reader and keeps what was read."""

    def __init__(self, read: FileReader) -> None:
        self._read = read
        self._files: dict[str, bytes] = {}
        self._folders: set[str] = set()

    def __call__(self, path: str, /) -> bytes:
        try:
            return self._files.setdefault(path, self._read(path))
        except IsADirectoryError:
            self._folders.add(path)
            raise

    def entries(self, path: str, /) -> list[str]:
        return list(self._read.entries(path)) if isinstance(self._read, DirectoryReader) else []

    def texts(self, main: str) -> Texts:
        """What was read, all of it valid UTF-8 as after a load without errors."""
        decoded = {path: data.decode() for path, data in self._files.items()}
        marked = frozenset(path for path, text in decoded.items() if text.startswith(_BOM))
        files = {path: text.removeprefix(_BOM) for path, text in decoded.items()}
        return Texts(main, files, frozenset(self._folders), marked)
