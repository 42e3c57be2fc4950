"""Which forms belong to one dialect only: `config check --dialect 2|3` refuses those of the other one.

Most of the language is common: comments, options, includes, and the stanzas Security, Binding, Domain and Host.
"""

from collections.abc import Iterable

from momentum_node.config import schema
from momentum_node.config.source import Report
from momentum_node.config.syntax import Array, Attribute, Dict, Entry, Loader, Scalar, Stanza, Statement

_OF_2 = {
    "loader": "modules are loaded with a class and a path",
    "list": "sockets stand in a list",
    "attributes": "attributes stand in `< >`",
}
_STANZAS_OF_2 = {"rfc2822": "write the options RFC2822_…"}
_STANZAS_OF_3 = frozenset(name for name, kind in schema.SCOPES.items() if kind.is_module) | {
    "esmtp_listener",
    "control_listener",
    "eccluster_listener",
    "ecstream_listener",
    "listen",
    "peer",
    "pathway",
    "pathway_group",
    "binding_group",
    "topology",
    "replicate",
    "role",
}
_OPTIONS_OF_2 = {
    ("", "control_listener_timeout"): "write `Control_Listener { Timeout = … }`",
    ("binding", "binding_group"): "write `Binding_Group name { Binding name { … } }`",
    ("cluster", "cluster_listener"): 'write `ECCluster_Listener { Listen "…" {} }`',
    ("cluster", "replicate"): 'write `Replicate "…" { … }`',
}


def check(statements: Iterable[Statement], dialect: int, report: Report) -> None:
    """Report every form that Momentum `dialect` (2 or 3) does not have; includes are expanded already."""
    _Check(dialect, report).body("", statements)


class _Check:
    def __init__(self, dialect: int, report: Report) -> None:
        self._dialect, self._report = dialect, report

    def body(self, scope: str, statements: Iterable[Statement]) -> None:
        for statement in statements:
            if isinstance(statement, Entry):
                self._entry(scope, statement)
            elif isinstance(statement, Loader):
                self._only(2, statement.kind, _OF_2["loader"], f"write `{statement.symbol.text} {{ … }}`")
                self.body(_symbol(statement), statement.body)
            elif isinstance(statement, Stanza):
                self._stanza(statement)

    def _stanza(self, stanza: Stanza) -> None:
        name = stanza.name.text.lower()
        if name in _STANZAS_OF_2:
            self._only(2, stanza.name, f"`{stanza.name.text} {{ … }}`", _STANZAS_OF_2[name])
        elif name in _STANZAS_OF_3:
            self._only(3, stanza.name, f"`{stanza.name.text} {{ … }}`")
        self._attributes(stanza.attributes)
        self.body(name, stanza.body)

    def _entry(self, scope: str, entry: Entry) -> None:
        name, value = entry.key.text.lower(), entry.value
        if not scope and name.endswith("_listener"):
            self._only(2, entry.key, _OF_2["list"], f'write `{entry.key.text} {{ Listen "…" {{ … }} }}`')
            for element in value.elements if isinstance(value, Array) else ():
                self._attributes(element.attributes)
        elif (scope, name) in _OPTIONS_OF_2:
            self._only(2, entry.key, f"`{entry.key.text} …` in {schema.scope_name(scope)}", _OPTIONS_OF_2[scope, name])
        elif scope == "cluster" and isinstance(value, Dict) and name[:1].isdigit():
            self._only(2, entry.key, "a network as a key", f'write `Topology "{entry.key.text}" {{ … }}`')
        elif scope == "authorization" and isinstance(value, Dict):
            self._only(2, entry.key, "a role as a key", f'write `Role "{entry.key.text}" {{ … }}`')

    def _attributes(self, attributes: tuple[Attribute, ...]) -> None:
        for attribute in attributes:
            self._only(2, attribute.name, _OF_2["attributes"], "write them as options inside `{ }`")

    def _only(self, dialect: int, where: Scalar, form: str, hint: str | None = None) -> None:
        if dialect != self._dialect:
            text = f"only Momentum {dialect} has this form: {form}"
            self._report.error(where.at, "S002", text, hint)


def _symbol(loader: Loader) -> str:
    symbol = loader.symbol.text.lower()
    return "cluster" if symbol == "ec_cluster" else symbol
