"""Load a configuration: the entry to this room. Files come from a reader that is passed in; nothing here opens one.

text → tokens → syntax tree → includes expanded → canonical tree, checked → NodeConfiguration and look-ups
"""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from momentum_node.config import dialects
from momentum_node.config.files import FileReader, Files
from momentum_node.config.lookup_inbound import InboundLookup
from momentum_node.config.lookup_outbound import OutboundLookup
from momentum_node.config.lowering import lower
from momentum_node.config.merge import Builder
from momentum_node.config.messages import ConfigurationInvalid, Message
from momentum_node.config.model import Address, InboundOptions, Listener, NodeConfiguration, OutboundOptions, Place
from momentum_node.config.reading import read as read_tree
from momentum_node.config.source import Report, TooManyErrors
from momentum_node.config.tree import Scope

__all__ = ["ConfigurationInvalid", "FileReader", "Loaded", "Places", "load"]


class Places(Protocol):
    """Turns the position of a setting into file, line and column."""

    def place(self, at: int, /) -> Place:
        """Where that is."""


@dataclass(frozen=True)
class Loaded:
    """One generation: the typed configuration, what was warned about, the merged tree, and the look-ups."""

    node: NodeConfiguration
    warnings: tuple[Message, ...]
    tree: Scope
    sources: Places = field(repr=False)
    _inbound: InboundLookup = field(repr=False)
    _outbound: OutboundLookup = field(repr=False)

    def inbound(self, listener: Listener, client: Address) -> InboundOptions:
        """What this client of this listener may do (configuration §10). Cached."""
        return self._inbound.options(listener, client)

    def outbound(self, binding: str, domain: str) -> OutboundOptions:
        """How mail of this binding to this domain is delivered (configuration §9). Cached."""
        return self._outbound.options(binding, domain)


def load(
    main: str,
    read: FileReader,
    *,
    strict: bool = False,
    contained: bool = False,
    search: tuple[str, ...] = (),
    dialect: int | None = None,
) -> Loaded:
    """Read the file `main` and everything it includes.

    `strict`: warnings stop the load too. `contained`: the text is a stranger's (a custom resource), so `include`
    reaches only names that the reader knows; absolute paths, `..` and URIs are errors and are never read.
    `search`: directories for relative includes, after the directory of the including file.
    `dialect`: 2 or 3 refuses the forms that only the other one has.
    Raises ConfigurationInvalid with every finding; never anything else, whatever the bytes are.
    """
    files = Files(read, contained=contained, search=search)
    report = files.report
    builder = Builder(report, strict=strict)
    node = None
    with suppress(TooManyErrors):
        node = _read(files, builder, main, dialect)
    if node is None or report.error_count or (strict and report.warning_count):
        raise _invalid(report)
    tree = builder.tree
    return Loaded(node, tuple(report.warnings), tree, files.sources, InboundLookup(tree), OutboundLookup(tree))


def _read(files: Files, builder: Builder, main: str, dialect: int | None) -> NodeConfiguration | None:
    statements = files.statements(main)
    if dialect is not None:
        dialects.check(statements, dialect, files.report)
    lower(builder, statements)
    files.local_changes(builder, main)
    builder.finish()
    return None if files.report.error_count else read_tree(builder.tree, files.digest(), files.report)


def _invalid(report: Report) -> ConfigurationInvalid:
    count = report.error_count or report.warning_count
    return ConfigurationInvalid([*report.errors, *report.warnings], count=count)
