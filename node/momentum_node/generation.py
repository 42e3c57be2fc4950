"""The configuration a node runs on, and the one it sees: read, checked, replaced as a whole.

A text with an error changes nothing: the running generation stays, and the messages are reported.
"""

from dataclasses import dataclass, field

from momentum_node.config.loading import ConfigurationInvalid, Loaded, load
from momentum_node.config_command import DiskFiles, search_path
from momentum_node.settings import Settings


def read(own: Settings) -> Loaded:
    """One generation from the main file. Raises `ConfigurationInvalid` with all messages and their places."""
    return load(str(own.config), DiskFiles(), search=search_path())


@dataclass
class Generations:
    """`running` is in use; `seen` is the stamp of the files as they are now; `errors` say why the two differ."""

    settings: Settings
    running: Loaded
    seen: str = ""
    errors: list[str] = field(default_factory=list)
    seen_revision: str = ""
    running_revision: str = ""

    def __post_init__(self) -> None:
        self.seen = self._stamp()
        self.seen_revision = self.running_revision = self._revision()

    def look(self) -> Loaded | None:
        """A new generation when the files changed and are good; else None. Does file work: not for the event loop."""
        stamp = self._stamp()
        if stamp == self.seen:
            return None
        self.seen = stamp
        self.seen_revision = self._revision()
        try:
            loaded = read(self.settings)
        except ConfigurationInvalid as error:
            self.errors = [str(message) for message in error.messages]
            return None
        self.errors = []
        self.running_revision = self.seen_revision
        if loaded.node.digest == self.running.node.digest:
            return None
        self.running = loaded
        return loaded

    def _revision(self) -> str:
        """What the writer of the folder calls its content (file `revision`), else the digest that runs."""
        try:
            return (self.settings.config.parent / "revision").read_text().strip()
        except OSError:
            return self.running.node.digest

    def _stamp(self) -> str:
        """Names, sizes and times of the main file's folder: cheap, and moves when a volume is refreshed."""
        folder = self.settings.config.parent
        entries = []
        for path in sorted(folder.rglob("*")):
            try:
                status = path.stat()
            except OSError:  # a volume that is being refreshed: its new name differs anyway
                continue
            entries.append(f"{path} {status.st_ino} {status.st_size} {status.st_mtime_ns}")
        return "\n".join(entries)
