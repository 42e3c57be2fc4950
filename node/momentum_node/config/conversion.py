"""`config convert`: one file of either dialect as Momentum 3 text, with its comments and in its order.

Each statement is lowered by itself into a small tree and printed; comments are put in by their position. Includes
stay as they are, so every file of a configuration is converted by itself.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from momentum_node.config import lowering_listener, printer, schema
from momentum_node.config.files import FileReader, Files
from momentum_node.config.layout import Layout
from momentum_node.config.lexer import SyntaxFault
from momentum_node.config.lowering import Lowering, foreign_name, is_group, module_name
from momentum_node.config.merge import Builder, elements
from momentum_node.config.messages import ConfigurationInvalid
from momentum_node.config.page import Page
from momentum_node.config.source import Report, Sources, TooManyErrors
from momentum_node.config.syntax import Array, Dict, Element, Entry, Include, Loader, Scalar, Stanza, Statement, Value
from momentum_node.config.tree import AclRule, Scope

_STEP = "  "
_NOT_KEPT = {"W03": "obsolete and ignored", "W06": None}  # code → why it becomes a comment; None: kept as it is


def convert(main: str, read: FileReader) -> str:
    """The file `main` in the form of Momentum 3; raises ConfigurationInvalid. Of included files only this is asked:
    whether a listener list there replaces one here, or the other way round."""
    files = Files(read, contained=False, search=())
    layout = None
    source = files.source(main)
    if source is not None:
        try:
            layout = Layout(source)
        except SyntaxFault as fault:
            files.report.error(fault.at, fault.code, fault.text, fault.hint)
    if layout is not None:
        _check(layout.statements, files.report)
    if layout is None or files.report.error_count:
        raise ConfigurationInvalid(files.report.errors, count=files.report.error_count)
    return _Conversion(layout, files.sources, _Lists(main, read)).text()


def _check(statements: tuple[Statement, ...], report: Report) -> None:
    builder = Builder(report)
    with suppress(TooManyErrors):
        Lowering(builder).body(builder.tree, _without_includes(statements), 0)
        builder.finish()


def _without_includes(statements: Iterable[Statement]) -> Iterator[Statement]:
    for statement in statements:
        if isinstance(statement, (Stanza, Loader)):
            yield statement._replace(body=tuple(_without_includes(statement.body)))
        elif not isinstance(statement, Include):
            yield statement


class _Lists:
    """Which listener lists of the whole configuration replace which: the last one wins, whatever file it is in."""

    def __init__(self, main: str, read: FileReader) -> None:
        files = Files(read, contained=False, search=())
        self._sources = files.sources
        self._lists: dict[str, list[int]] = {}  # name → places; those of `main` are its positions
        with suppress(TooManyErrors):
            for statement in files.statements(main):
                if isinstance(statement, Entry) and _is_list(statement):
                    self._lists.setdefault(_list_name(statement), []).append(statement.key.at)

    def winner(self, entry: Entry) -> str | None:
        """Where the list stands that replaces this one: a file, "" for this file, None when it is the last."""
        last = self._places(entry)[-1]
        return None if last == entry.key.at else self._file(last)

    def replaced(self, entry: Entry) -> list[str]:
        """The other files whose lists this one replaces."""
        files = [self._file(at) for at in self._places(entry)]
        return [file for file in dict.fromkeys(files) if file]

    def _places(self, entry: Entry) -> list[int]:
        return self._lists.get(_list_name(entry), [entry.key.at])

    def _file(self, at: int) -> str:
        source = self._sources.of(at)
        return "" if source is self._sources.files[0] else source.file


class _Conversion:
    def __init__(self, layout: Layout, sources: Sources, lists: _Lists) -> None:
        self._layout, self._sources, self._lists = layout, sources, lists
        self._page = Page(layout)
        self._modules = Lowering(self._builder())
        self._elsewhere: list[Scope | str] = []  # global stanzas that come out of an inner statement, their comments

    def text(self) -> str:
        self._body(Scope(), self._layout.statements, self._layout.end, "")
        return "".join(f"{line}\n" for line in self._page.lines)

    def _builder(self) -> Builder:
        return Builder(Report(self._sources))

    # --- statements ---

    def _body(self, scope: Scope, statements: Iterable[Statement], end: int, indent: str) -> None:
        for statement in statements:
            at = statement.target.at if isinstance(statement, Include) else self._layout.span(statement)[0]
            if _goes_elsewhere(scope, statement):
                self._elsewhere += self._page.take(at, indent)
                self._elsewhere += self._page.take_trailing(self._layout.span(statement)[1], self._layout)
            self._page.comments_before(at, indent)
            if not isinstance(statement, Include) and self._layout.is_spaced(at):
                self._page.space()
            self._statement(scope, statement, indent)
            if not scope.name:
                self._put_elsewhere()
        self._page.comments_before(end, indent)

    def _put_elsewhere(self) -> None:
        for found in self._elsewhere:
            for line in [found] if isinstance(found, str) else printer.stanza_lines(Scope(), found, ""):
                self._page.put(line)
        self._elsewhere.clear()

    def _statement(self, scope: Scope, statement: Statement, indent: str) -> None:
        if isinstance(statement, Include):
            word = "readonly_include" if statement.read_only else "include"
            self._page.put(f"{indent}{word} {printer.quoted(statement.target.text)}")
        elif isinstance(statement, Loader):
            self._loader(statement, indent)
        elif isinstance(statement, Stanza):
            self._stanza(scope, statement, indent)
        elif not scope.name and _is_list(statement):
            self._listener_list(statement, indent)
        else:
            self._lowered(scope, statement, statement, indent)

    def _lowered(self, scope: Scope, written: Statement, statement: Statement, indent: str) -> None:
        """One statement by itself; `statement` is it with what must stand around it."""
        builder = self._builder()
        where = Scope(scope.name, scope.instance) if scope.name else builder.tree
        Lowering(builder).body(where, (statement,), 0)
        builder.finish()
        refused = [message.code for message in builder.report.warnings if message.code in _NOT_KEPT]
        if refused:
            self._copy(written, indent, _NOT_KEPT[refused[0]])
            return
        lowered = where if statement is written else (where.only("authorization") or where)
        self._contents(lowered, indent)
        if where is not builder.tree:
            self._elsewhere += builder.tree.children.values()

    def _copy(self, statement: Statement, indent: str, why: str | None) -> None:
        start, end = self._layout.span(statement)
        text = self._layout.text(start, end)
        if why is None:
            self._page.put(indent + text)
        else:
            self._page.put(f"{indent}# {why}:")
            for line in text.splitlines():
                self._page.put(f"{indent}# {line.rstrip()}")
        self._page.skip_comments(end)

    # --- stanzas ---

    def _block(self, head: str, indent: str, end: int, fill: Callable[[str], None]) -> None:
        line = f"{indent}{head} {{"
        self._page.put(line)
        before = len(self._page.lines)
        fill(indent + _STEP)
        self._page.comments_before(end, indent + _STEP)
        if len(self._page.lines) == before and self._page.lines[-1] == line:
            self._page.lines[-1] += "}"
        else:
            self._page.put(f"{indent}}}")

    def _stanza(self, scope: Scope, stanza: Stanza, indent: str) -> None:
        name = stanza.name.text.lower()
        kind = schema.SCOPES.get(name)
        end = self._layout.block(stanza)[1]
        if not scope.name and name == "rfc2822":
            self._prefixed(stanza, end, indent)
        elif kind is None:
            self._copy(stanza, indent, None)
        elif name == "binding" and any(is_group(inner) for inner in stanza.body):
            self._grouped(stanza, end, indent)
        else:
            self._block(_head(kind, stanza.instance), indent, end, lambda inner: self._inside(kind, stanza, end, inner))

    def _inside(self, kind: schema.ScopeKind, stanza: Stanza, end: int, indent: str) -> None:
        scope = Scope(kind.name, stanza.instance.text if stanza.instance else None)
        builder = self._builder()
        lowering_listener.attributes(builder, scope, stanza.attributes)
        self._contents(scope, indent)
        if kind.name != "Authorization":
            self._body(Scope(kind.name, scope.instance), stanza.body, end, indent)
            return
        for statement in stanza.body:
            self._page.comments_before(self._layout.span(statement)[0], indent)
            if isinstance(statement, Entry):
                self._lowered(Scope(), statement, stanza._replace(attributes=(), body=(statement,)), indent)
            else:
                self._statement(Scope(kind.name), statement, indent)

    def _grouped(self, stanza: Stanza, end: int, indent: str) -> None:
        """2.x `Binding B { Binding_Group = G … }`."""
        kinds = schema.SCOPES
        group = next(inner for inner in stanza.body if is_group(inner))
        name = group.value if isinstance(group, Entry) and isinstance(group.value, Scalar) else None
        rest = stanza._replace(body=tuple(inner for inner in stanza.body if not is_group(inner)))
        self._block(
            _head(kinds["binding_group"], name),
            indent,
            end,
            lambda inner: self._block(
                _head(kinds["binding"], stanza.instance),
                inner,
                end,
                lambda innermost: self._inside(kinds["binding"], rest, end, innermost),
            ),
        )

    def _prefixed(self, stanza: Stanza, end: int, indent: str) -> None:
        for statement in stanza.body:
            self._page.comments_before(self._layout.span(statement)[0], indent)
            if isinstance(statement, Include):
                self._page.put(f"{indent}{stanza.name.text} {{")  # its options have no prefix of their own
                self._statement(Scope(), statement, indent + _STEP)
                self._page.comments_before(self._layout.line_end(statement.target.at), indent + _STEP)
                self._page.put(f"{indent}}}")
            else:
                self._lowered(Scope(), statement, stanza._replace(body=(statement,)), indent)
        self._page.comments_before(end, indent)

    # --- 2.x ---

    def _loader(self, loader: Loader, indent: str) -> None:
        name = module_name(loader)
        kind = schema.SCOPES.get(name.text.lower())
        opening, end = self._layout.block(loader)
        if kind is None or not kind.is_module:
            self._foreign(loader, indent)
            return
        scope = Scope(kind.name)
        Lowering(self._builder()).module_attributes(scope, loader)
        head = _head(kind, self._modules.instance(loader, name, kind))

        def fill(inner: str) -> None:
            self._page.comments_before(opening, inner)
            self._contents(scope, inner)
            self._body(Scope(kind.name), loader.body, end, inner)

        self._block(head, indent, end, fill)

    def _foreign(self, loader: Loader, indent: str) -> None:
        """A module that is not shipped: its head in the form of Momentum 3, its body as it is."""
        opening, end = self._layout.block(loader)
        named = next((item.value.text for item in loader.attributes if item.name.text.lower() == "name"), None)
        off = loader.modifier is not None and loader.modifier.text.lower() != "enabled"
        module = foreign_name(loader) or loader.symbol.text
        if named is None and module != loader.symbol.text:
            named = loader.symbol.text
        head = module if named is None else f"{module} {printer.quoted(named)}"
        switch = f"\n{indent}{_STEP}Enabled = false" if off else ""
        self._page.put(f"{indent}{head} {{{switch}{self._layout.text(opening + 1, end)}}}")
        self._page.skip_comments(end)

    def _listener_list(self, entry: Entry, indent: str) -> None:
        winner = self._lists.winner(entry)
        if winner is not None:
            where = f"in {printer.quoted(winner)}" if winner else "that follows"
            self._copy(entry, indent, f"replaced by the list {where}")
            return
        for file in self._lists.replaced(entry):
            self._page.put(
                f"{indent}# Stanzas add up: remove the list in {printer.quoted(file)}, which this one replaced"
            )
        kind = schema.SCOPES[_list_name(entry)]
        end = self._layout.span(entry)[1]

        def fill(inner: str) -> None:
            for element in elements(entry.value):
                self._page.comments_before(element.scalar.at, inner)
                builder = self._builder()
                lowering_listener.listener_list(builder, Entry(entry.key, Array((element,), entry.value.at)))
                listener = builder.tree.only(_list_name(entry))
                if listener is not None:
                    self._contents(listener, inner)

        self._block(_head(kind, None), indent, end, fill)

    # --- what was lowered ---

    def _contents(self, scope: Scope, indent: str) -> None:
        for setting in scope.settings.values():
            self._page.comments_before(setting.at, indent)
            self._value(schema.spelling(scope.name.lower(), setting.name), setting.value, indent)
        if scope.acl:
            self._rules(scope.acl, indent)
        for child in scope.children.values():
            self._page.comments_before(child.at, indent)
            self._child(scope, child, indent)

    def _rules(self, rules: list[AclRule], indent: str) -> None:
        """2.x rule lists that no set of Peers can say stay an ordered list."""
        self._page.put(f"{indent}acl = [")
        for rule in rules:
            self._page.comments_before(rule.scope.at, indent + _STEP)
            self._page.put(f"{indent}{_STEP}{printer.quoted(rule.scope.instance or '')} = (")
            for line in printer.rule_lines(rule, indent + 2 * _STEP):
                self._page.put(line)
            self._page.comments_before(self._layout.extent(rule.scope.at), indent + 2 * _STEP)
            self._page.put(f"{indent}{_STEP})")
        self._page.put(f"{indent}]")

    def _child(self, parent: Scope, child: Scope, indent: str) -> None:
        end = max(self._layout.extent(child.at), self._layout.extent(child.instance_at))
        name = schema.spelling(parent.name.lower(), child.name)
        head = name if child.instance is None else f"{name} {printer.quoted(child.instance)}"
        self._block(head, indent, end, lambda inner: self._contents(child, inner))

    def _value(self, name: str, value: Value, indent: str) -> None:
        closing = None if isinstance(value, Scalar) else self._layout.closing(value.at)
        if closing is None or not self._page.has_comment(value.at, closing):
            for line in printer.entry_lines(name, value, indent):
                self._page.put(line)
            return
        opening, bracket = "()" if isinstance(value, Array) else "[]"
        self._page.put(f"{indent}{printer.key_text(name)} = {opening}")
        self._parts(value, indent + _STEP)
        self._page.comments_before(closing, indent + _STEP)
        self._page.put(f"{indent}{bracket}")

    def _parts(self, value: Value, indent: str) -> None:
        for part in _parts_of(value):
            at = part.scalar.at if isinstance(part, Element) else part.key.at
            self._page.comments_before(at, indent)
            if isinstance(part, Element):
                self._page.put(indent + printer.element_text(part))
            else:
                self._value(part.key.text, part.value, indent)


def _parts_of(value: Value) -> Iterable[Element | Entry]:
    return value.entries if isinstance(value, Dict) else elements(value)


def _head(kind: schema.ScopeKind, instance: Scalar | None) -> str:
    return kind.name if instance is None or not kind.named else f"{kind.name} {printer.quoted(instance.text)}"


def _goes_elsewhere(scope: Scope, statement: Statement) -> bool:
    """2.x: the listener of the cluster scope is a global stanza in Momentum 3."""
    return scope.name == "cluster" and isinstance(statement, Entry) and statement.key.text.lower() == "cluster_listener"


def _is_list(statement: Statement) -> bool:
    return (
        isinstance(statement, Entry)
        and statement.key.text.lower().endswith("_listener")
        and statement.key.text.lower() in schema.SCOPES
        and isinstance(statement.value, (Array, Scalar))
    )


def _list_name(statement: Statement) -> str:
    return statement.key.text.lower() if isinstance(statement, Entry) else ""
