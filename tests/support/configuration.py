"""Configuration text for tests: files in memory, loaded as a node would load them."""

from collections.abc import Mapping
from pathlib import Path

from momentum_node.config.loading import ConfigurationInvalid, Loaded, load
from momentum_node.config.messages import Message

GOLDEN = Path(__file__).parent.parent / "golden" / "config"


class MemoryFiles:
    """A file reader over a dictionary path → text or bytes; a path with files below it is a directory."""

    def __init__(self, files: Mapping[str, str | bytes]) -> None:
        self.files = dict(files)
        self.asked: list[str] = []

    def __call__(self, path: str, /) -> bytes:
        self.asked.append(path)
        if path in self.files:
            data = self.files[path]
            return data.encode() if isinstance(data, str) else data
        if self.entries(path):
            raise IsADirectoryError(path)
        raise FileNotFoundError(path)

    def entries(self, path: str, /) -> list[str]:
        names = (name.removeprefix(f"{path}/") for name in self.files if name.startswith(f"{path}/"))
        return [name for name in names if "/" not in name]


def loaded(
    text: str | bytes, *, contained: bool = False, strict: bool = False, files: Mapping[str, str] | None = None
) -> Loaded:
    """One configuration from its text; `files` are what it may include."""
    return load("main.conf", MemoryFiles({"main.conf": text, **(files or {})}), contained=contained, strict=strict)


def refused(
    text: str | bytes, *, contained: bool = False, strict: bool = False, files: Mapping[str, str] | None = None
) -> ConfigurationInvalid:
    """The refusal of a text that must not load."""
    try:
        loaded(text, contained=contained, strict=strict, files=files)
    except ConfigurationInvalid as refusal:
        return refusal
    raise AssertionError("this configuration must be refused")


def where(message: Message) -> str:
    """A message as `line:column code`, which is what most tests care about."""
    return f"{message.place.line}:{message.place.column} {message.code}"
