"""What stands at a position of one file, and from where to where: what a change in place has to know."""

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from momentum_node.config.layout import Layout
from momentum_node.config.source import Source
from momentum_node.config.syntax import Array, Attribute, Dict, Element, Entry, Loader, Scalar, Stanza, Statement, Value

Node: TypeAlias = Entry | Attribute | Stanza | Loader | Element


class Span(NamedTuple):
    """Offsets in the text of one file, the end excluded."""

    start: int
    end: int


class Spans:
    """The nodes of one file by the position of their name (see source.py). Raises SyntaxFault as the parser does."""

    def __init__(self, source: Source) -> None:
        self._base, self._text = source.base, source.text
        self._layout = Layout(source)
        self._nodes: dict[int, Node] = {}
        self._statements(self._layout.statements)

    def node(self, at: int) -> Node | None:
        """What is named at a position."""
        return self._nodes.get(at)

    def whole(self, node: Node) -> Span | None:
        """All of a node; None for an element whose end cannot be told."""
        if isinstance(node, Attribute):
            return self._span(node.name.at, self._layout.after(node.value.at))
        if isinstance(node, Element):
            end = self._element_end(node)
            return None if end is None else self._span(node.scalar.at, end)
        return self._span(*self._layout.span(node))

    def value(self, node: Entry | Attribute) -> Span:
        """The value of an option or attribute."""
        if isinstance(node, Attribute):
            return self._span(node.value.at, self._layout.after(node.value.at))
        return self._span(node.value.at, self._layout.span(node)[1])

    def has_equals(self, entry: Entry) -> bool:
        """Whether `=` stands between name and value: it may be missing before a list or dictionary."""
        return "=" in self._layout.text(self._layout.after(entry.key.at), entry.value.at)

    def block(self, node: Stanza | Loader) -> Span:
        """From the opening brace to the closing one."""
        opening, closing = self._layout.block(node)
        return self._span(opening, closing)

    def attributes_around(self, attribute: Attribute) -> Span | None:
        """`< … >` around an attribute, if it is the only one there."""
        opening = self._text.rfind("<", 0, attribute.name.at - self._base)
        closing = self._layout.closing(opening + self._base)
        if closing is None:
            return None
        end = self.value(attribute).end
        before, after = self._text[opening + 1 : attribute.name.at - self._base], self._text[end : closing - self._base]
        return Span(opening, closing - self._base + 1) if not before.strip() and not after.strip() else None

    def _span(self, start: int, end: int) -> Span:
        return Span(start - self._base, end - self._base)

    def _element_end(self, element: Element) -> int | None:
        if element.body is not None:
            closing = self._layout.closing(element.body.at)
        elif element.attributes:
            first = element.attributes[0].name.at - self._base
            closing = self._layout.closing(self._text.rfind("<", 0, first) + self._base)
        else:
            return self._layout.after(element.scalar.at)
        return None if closing is None else closing + 1

    # --- the index ---

    def _statements(self, statements: Iterable[Statement]) -> None:
        for statement in statements:
            if isinstance(statement, Entry):
                self._entry(statement)
            elif isinstance(statement, Stanza):
                self._nodes[statement.name.at] = statement
                self._attributes(statement.attributes)
                self._statements(statement.body)
            elif isinstance(statement, Loader):
                self._nodes[statement.symbol.at] = statement
                self._attributes(statement.attributes)
                self._statements(statement.body)

    def _entry(self, entry: Entry) -> None:
        self._nodes[entry.key.at] = entry
        self._value(entry.value)

    def _value(self, value: Value) -> None:
        if isinstance(value, Scalar):
            return
        if isinstance(value, Dict):
            for entry in value.entries:
                self._entry(entry)
            return
        for element in value.elements:
            self._element(value, element)

    def _element(self, array: Array, element: Element) -> None:
        self._nodes.setdefault(element.scalar.at, element)
        self._attributes(element.attributes)
        if element.body is not None:
            self._value(element.body)

    def _attributes(self, attributes: Iterable[Attribute]) -> None:
        for attribute in attributes:
            self._nodes[attribute.name.at] = attribute
