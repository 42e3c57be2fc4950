"""Syntax as JSON has it: what `config parse`, `config eval` and the console give to programs."""

from momentum_node.config.syntax import Dict, Element, Entry, Include, Scalar, Stanza, Statement, Value


def statement_shape(statement: Statement) -> dict[str, object]:
    """One statement with everything inside."""
    if isinstance(statement, Entry):
        return {"option": statement.key.text, "value": value_shape(statement.value)}
    if isinstance(statement, Include):
        return {"include": statement.target.text, "read_only": statement.read_only}
    attributes = {item.name.text: item.value.text for item in statement.attributes}
    body = [statement_shape(inner) for inner in statement.body]
    if isinstance(statement, Stanza):
        instance = statement.instance.text if statement.instance else None
        return {"stanza": statement.name.text, "instance": instance, "attributes": attributes, "body": body}
    return {
        "loader": statement.kind.text,
        "path": statement.path.text,
        "symbol": statement.symbol.text,
        "modifier": statement.modifier.text if statement.modifier else None,
        "attributes": attributes,
        "body": body,
    }


def value_shape(value: Value) -> object:
    """A scalar as text, a list as a list, a dictionary as pairs, because its keys may repeat."""
    if isinstance(value, Scalar):
        return value.text
    if isinstance(value, Dict):
        return {"dictionary": [[entry.key.text, value_shape(entry.value)] for entry in value.entries]}
    return [_element_shape(element) for element in value.elements]


def _element_shape(element: Element) -> object:
    if not element.attributes and element.body is None:
        return element.scalar.text
    attributes = {item.name.text: item.value.text for item in element.attributes}
    body = None if element.body is None else value_shape(element.body)
    return {"element": element.scalar.text, "attributes": attributes, "body": body}
