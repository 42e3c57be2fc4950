"""2.x forms become the canonical tree (configuration §8); 3.x forms pass through. One walk over the statements,
in reading order, with includes already expanded."""

from collections.abc import Iterable

from momentum_node.config import lowering_cluster, lowering_listener, notshipped, schema
from momentum_node.config.merge import Builder
from momentum_node.config.parser import MAX_DEPTH
from momentum_node.config.syntax import Array, Dict, Entry, Loader, Scalar, Stanza, Statement
from momentum_node.config.tree import Scope

_SYMBOLS = {"ec_cluster": "cluster"}
_PREFIXED = {"pedantic_address_rules": "RFC2821_", "allow_whitespace_in_envelope": "RFC2821_"}
_ALIASES = {
    "max_resident_active_queue_size": "Max_Resident_Active_Queue",
    "message_size": "Max_Message_Size",
    "monitor": "Monitors",
}
_AS_WRITTEN = frozenset({"binding", "binding_group", "domain", "host", "peer"})  # scopes without forms of Momentum 2


def lower(builder: Builder, statements: Iterable[Statement]) -> None:
    """Add the statements of a file, includes expanded, to the builder's tree."""
    Lowering(builder).body(builder.tree, statements, 0)


class Lowering:
    """The walk. `instance` counts the anonymous loads of a module, so one object serves all files of a load."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._report = builder.report
        self._loaded: dict[str, int] = {}  # symbol → how many instances got a number
        self._singletons: dict[str, Scalar] = {}

    def body(self, scope: Scope, statements: Iterable[Statement], depth: int) -> None:
        as_written = scope.name.lower() in _AS_WRITTEN
        for statement in statements:
            if isinstance(statement, Entry):
                if as_written and statement.key.text.lower() not in _ALIASES:  # most of a large file
                    self._builder.option(scope, statement.key, statement.value)
                else:
                    self._entry(scope, statement)
            elif isinstance(statement, Stanza):
                self._stanza(scope, statement, depth)
            elif isinstance(statement, Loader):
                self._loader(scope, statement, depth)
            else:
                raise TypeError(f"an include was not expanded: {statement.target.text}")

    # --- stanzas ---

    def _stanza(self, scope: Scope, stanza: Stanza, depth: int) -> None:
        if depth >= MAX_DEPTH:
            self._report.error(stanza.name.at, "P001", f"stanzas are nested more than {MAX_DEPTH} deep")
            return
        if stanza.equals_at is not None:
            self._report.warning(stanza.equals_at, "W01", f"the '=' after '{stanza.name.text}' is superfluous")
        name = stanza.name.text.lower()
        if name == "rfc2822" and not scope.name:
            self._prefixed(scope, stanza)
        elif name == "authorization" and not scope.name and stanza.instance is None:
            self._authorization(scope, stanza, depth)
        elif name == "binding" and not scope.name:
            self._binding(scope, stanza, depth)
        else:
            self._open(scope, stanza, depth)

    def _open(self, scope: Scope, stanza: Stanza, depth: int) -> Scope | None:
        opened = self._builder.open(scope, stanza.name, stanza.instance)
        if opened is not None:
            if stanza.attributes:
                lowering_listener.attributes(self._builder, opened, stanza.attributes)
            self.body(opened, stanza.body, depth + 1)
        return opened

    def _binding(self, scope: Scope, stanza: Stanza, depth: int) -> None:
        """2.x `Binding B { Binding_Group = G … }` stands in that group."""
        group = next((entry for entry in stanza.body if is_group(entry)), None)
        if not isinstance(group, Entry) or not isinstance(group.value, Scalar):
            self._open(scope, stanza, depth)
            return
        self._report.warning(group.key.at, "W07", "Binding_Group inside a Binding is the form of Momentum 2")
        parent = self._builder.open(scope, Scalar("Binding_Group", group.key.at), group.value)
        if parent is not None:
            rest = tuple(statement for statement in stanza.body if not is_group(statement))
            self._open(parent, stanza._replace(body=rest), depth)

    def _prefixed(self, scope: Scope, stanza: Stanza) -> None:
        """2.x `RFC2822 { X = v }` is the global RFC2822_X."""
        for statement in stanza.body:
            if isinstance(statement, Entry):
                key = statement.key
                prefix = _PREFIXED.get(key.text.lower(), "RFC2822_")
                self._builder.option(scope, key._replace(text=prefix + key.text), statement.value)
            else:
                self._report.error(stanza.name.at, "S002", "RFC2822 has options only")

    def _authorization(self, scope: Scope, stanza: Stanza, depth: int) -> None:
        """2.x writes roles as `who [ allow = "re" … ]`."""
        opened = self._builder.open(scope, stanza.name, None)
        if opened is None:
            return
        for statement in stanza.body:
            if isinstance(statement, Entry) and isinstance(statement.value, Dict):
                role = self._builder.open(opened, Scalar("Role", statement.key.at), statement.key)
                if role is not None:
                    self.body(role, statement.value.entries, depth + 1)
            else:
                self.body(opened, (statement,), depth + 1)

    # --- modules ---

    def _loader(self, scope: Scope, loader: Loader, depth: int) -> None:
        name = module_name(loader)
        symbol = name.text
        kind = schema.SCOPES.get(symbol.lower())
        if kind is None or not kind.is_module:
            if foreign_name(loader) is None:
                self._unknown_module(loader, symbol)
            else:
                self._builder.skip(name)
            return
        opened = self._builder.open(scope, name, self.instance(loader, name, kind))
        if opened is None:
            return
        if not kind.named:
            self._once(name, kind)
        self.module_attributes(opened, loader)
        self.body(opened, loader.body, depth + 1)

    def _unknown_module(self, loader: Loader, symbol: str) -> None:
        modules = [kind.name for kind in schema.SCOPES.values() if kind.is_module]
        match = next((name for name in modules if schema.distance(symbol.lower()[:64], name) <= 2), None)
        hint = f"did you mean `{match}`?" if match else f"modules shipped here: {', '.join(sorted(modules))}"
        self._report.error(loader.symbol.at, "S001", f"'{loader.symbol.text}' is not a known module", hint)

    def instance(self, loader: Loader, symbol: Scalar, kind: schema.ScopeKind) -> Scalar | None:
        """The instance name that a module gets: `name=`, else its symbol, numbered from the second one on."""
        if not kind.named:
            return None
        given = next(
            (attribute.value for attribute in loader.attributes if attribute.name.text.lower() == "name"), None
        )
        if given is not None:
            return given
        count = self._loaded[symbol.text.lower()] = self._loaded.get(symbol.text.lower(), 0) + 1
        return symbol if count == 1 else symbol._replace(text=f"{symbol.text}#{count}")

    def _once(self, name: Scalar, kind: schema.ScopeKind) -> None:
        first = self._singletons.setdefault(kind.name, name)
        if first is not name:
            place = self._report.sources.place(first.at)
            self._report.error(name.at, "S006", f"module {kind.name} is already loaded at {place}")

    def module_attributes(self, scope: Scope, loader: Loader) -> None:
        """Modifier and attributes of a loader become options of its module."""
        if loader.modifier is not None and loader.modifier.text.lower() != "enabled":
            self._builder.option(scope, Scalar("Enabled", loader.modifier.at), Scalar("false", loader.modifier.at))
        for attribute in loader.attributes:
            word = attribute.name.text.lower()
            if word == "debug_level":
                self._builder.option(scope, attribute.name._replace(text="Debug_Level"), attribute.value)
            elif word != "name":
                lowering_listener.unknown_attribute(self._report, attribute, ("name", "debug_level"))

    # --- options ---

    def _entry(self, scope: Scope, entry: Entry) -> None:
        inside, name = scope.name.lower(), entry.key.text.lower()
        if not inside and name.endswith("_listener") and isinstance(entry.value, (Array, Scalar)):
            lowering_listener.listener_list(self._builder, entry)
        elif not inside and name == "control_listener_timeout":
            self._control_timeout(scope, entry)
        elif inside == "cluster" and lowering_cluster.entry(self._builder, scope, entry):
            return
        elif inside == "listen" and name == "acl" and isinstance(entry.value, Dict):
            lowering_listener.rule_lists(self._builder, scope, entry.value)
        elif inside == "debug_flags" or name not in _ALIASES:
            self._builder.option(scope, entry.key, entry.value)
        else:
            self._builder.option(scope, entry.key._replace(text=_ALIASES[name]), entry.value)

    def _control_timeout(self, scope: Scope, entry: Entry) -> None:
        listener = self._builder.open(scope, entry.key._replace(text="Control_Listener"), None)
        if listener is not None:
            self._builder.option(listener, entry.key._replace(text="Timeout"), entry.value)


def module_name(loader: Loader) -> Scalar:
    """The symbol of a loader, aliases resolved."""
    symbol = _SYMBOLS.get(loader.symbol.text.lower(), loader.symbol.text)
    return loader.symbol._replace(text=symbol)


def foreign_name(loader: Loader) -> str | None:
    """The module that a loader names and we do not ship. Old files may give it a symbol of their own:
    `IO_System io/compress_spool "compress_spool1"`."""
    names = (loader.symbol.text, loader.path.text.rpartition("/")[2])
    return next((name for name in names if notshipped.is_known(name.lower())), None)


def is_group(statement: Statement) -> bool:
    """2.x: `Binding_Group = G` inside a Binding."""
    return isinstance(statement, Entry) and statement.key.text.lower() == "binding_group"
