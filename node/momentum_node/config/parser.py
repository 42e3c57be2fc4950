"""Tokens to the syntax tree, for both dialects (configuration §3), with one token of look-ahead.

Recursive descent with a bound on depth, so neither a hostile text nor the stack of the caller decides how deep it goes.
"""

from momentum_node.config.lexer import Lexer, SyntaxFault, Token
from momentum_node.config.source import Source
from momentum_node.config.syntax import (
    Array,
    Attribute,
    Dict,
    Element,
    Entry,
    Include,
    Loader,
    Scalar,
    Stanza,
    Statement,
    Value,
)

MAX_DEPTH = 64  # brackets inside brackets; the deepest listing of the manuals has 7
CLASSES = frozenset({"logger", "module", "validate", "io_system", "interpreter"})
MODIFIERS = frozenset({"passive", "enabled", "disabled"})
_INCLUDES = {"include": False, "readonly_include": True}
_NAMED_BY_REGEX = frozenset({"domain", "host"})
_CLOSER = {"{": "}", "[": "]", "(": ")", "<": ">"}
_CONTENT = {"{": "block", "[": "dictionary", "(": "list", "<": "attributes"}
_SCALARS = ("word", "string")
_ENDING_AN_ELEMENT = ("word", ")")


def parse(source: Source, lexer: Lexer | None = None) -> tuple[Statement, ...]:
    """The statements of one file, includes not followed; raises SyntaxFault at the first thing that is wrong.
    A `lexer` of the caller's sees every token that is read."""
    return _Parser(source, lexer or Lexer(source)).file()


class _Parser:
    def __init__(self, source: Source, lexer: Lexer) -> None:
        self._lexer = lexer
        self._place = source.place
        self._base = source.base
        self._open: list[Token] = []  # the brackets that are open, outermost first
        self._token = self._lexer.next()

    def file(self) -> tuple[Statement, ...]:
        statements = []
        while self._token.kind != "end":
            statements.append(self._statement())
        return tuple(statements)

    # --- statements ---

    def _statement(self) -> Statement:
        first = self._scalar_token()
        kind = self._token.kind
        if kind in _SCALARS:
            return self._two_words(first)
        if kind == "=":
            return self._after_equals(first)
        if kind in {"[", "("}:
            return Entry(_scalar(first), self._value(first))
        if kind == "{":
            return self._stanza(first, None, ())
        raise self._unexpected(f"after '{first.text}'", "an option is written `name = value`, a stanza `name { … }`")

    def _after_equals(self, first: Token) -> Statement:
        equals = self._take()
        if self._token.kind == "{":
            return self._stanza(first, None, (), equals_at=equals.at)
        return Entry(_scalar(first), self._value(first))

    def _two_words(self, first: Token) -> Statement:
        word = first.text.lower() if first.kind == "word" else ""
        if word in _INCLUDES:
            return Include(_scalar(self._take()), _INCLUDES[word])
        if word in CLASSES:
            return self._loader(first)
        if word in _NAMED_BY_REGEX and self._token.kind == "word" and self._token.text.startswith("/"):
            self._token = self._lexer.regex_name(self._token)
        instance = self._take()
        if first.kind == "string" or self._token.kind not in {"{", "<"}:
            raise SyntaxFault(instance.at, "P002", f"expected '=' after '{first.text}'", self._equals_hint(first))
        return self._stanza(first, _scalar(instance), self._attributes())

    def _equals_hint(self, first: Token) -> str | None:
        if self._token.kind in _SCALARS or self._token.kind == "=":
            return None
        return f"an option is written `{first.text} = value`, a named stanza `{first.text} name {{ … }}`"

    def _stanza(
        self, name: Token, instance: Scalar | None, attributes: tuple[Attribute, ...], equals_at: int | None = None
    ) -> Stanza:
        if name.kind == "string":
            raise SyntaxFault(name.at, "P001", f"the name of a stanza is written without quotes: '{name.text}'")
        return Stanza(_scalar(name), instance, attributes, self._block(), equals_at)

    def _loader(self, first: Token) -> Loader:
        path = self._take()
        if self._token.kind not in _SCALARS:
            hint = f"a module is loaded by `{first.text} path symbol {{ … }}`"
            raise SyntaxFault(self._token.at, "P009", f"module symbol missing after '{path.text}'", hint)
        symbol = self._take()
        modifier = self._modifier() if self._token.kind in _SCALARS else None
        attributes = self._attributes()
        body = self._block()
        return Loader(_scalar(first), _scalar(path), _scalar(symbol), modifier, attributes, body)

    def _modifier(self) -> Scalar:
        word = self._take()
        if word.text.lower() not in MODIFIERS:
            hint = "known are passive, enabled and disabled"
            raise SyntaxFault(word.at, "P008", f"'{word.text}' is not a module modifier", hint)
        if self._token.kind in _SCALARS:
            raise SyntaxFault(self._token.at, "P008", "only one module modifier is allowed")
        return _scalar(word)

    def _block(self) -> tuple[Statement, ...]:
        self._enter("{")
        statements = []
        while self._token.kind != "}":
            statements.append(self._statement())
        self._leave()
        return tuple(statements)

    # --- values ---

    def _value(self, key: Token) -> Value:
        kind = self._token.kind
        if kind == "(":
            return self._array(endpoints=key.text.lower().endswith("_listener"))
        if kind == "[":
            return self._dict()
        return _scalar(self._scalar_token())

    def _array(self, *, endpoints: bool = False) -> Array:
        opening = self._enter("(")
        elements = []
        while self._token.kind != ")":
            if endpoints and self._token.kind == "[":
                self._token = self._lexer.endpoint(self._token) or self._token
            if self._token.kind == "word" and (words := self._lexer.words(self._token)):
                elements += [Element(Scalar(text, at)) for text, at in words]
                self._token = self._lexer.next()
            elements.append(self._element(endpoints=endpoints))
        self._leave()
        return Array(tuple(elements), opening.at)

    def _element(self, *, endpoints: bool) -> Element:
        scalar = _scalar(self._scalar_token())
        if self._token.kind in _ENDING_AN_ELEMENT:
            return Element(scalar)
        attributes = self._attributes()
        if self._token.kind == "[":
            endpoint = self._lexer.endpoint(self._token) if endpoints else None
            if endpoint is None:
                return Element(scalar, attributes, self._dict())
            self._token = endpoint
        if self._token.kind == "(":
            return Element(scalar, attributes, self._array())
        return Element(scalar, attributes)

    def _dict(self) -> Dict:
        opening = self._enter("[")
        entries = []
        while self._token.kind != "]":
            key = self._scalar_token()
            if self._token.kind == "=":
                self._take()
            elif self._token.kind in _SCALARS:
                raise SyntaxFault(self._token.at, "P002", f"expected '=' after '{key.text}'")
            elif self._token.kind not in {"[", "("}:
                raise self._unexpected(f"after '{key.text}'", f"an entry is written `{key.text} = value`")
            entries.append(Entry(_scalar(key), self._value(key)))
        self._leave()
        return Dict(tuple(entries), opening.at)

    def _attributes(self) -> tuple[Attribute, ...]:
        if self._token.kind != "<":
            return ()
        self._enter("<")
        attributes = []
        while self._token.kind != ">":
            name = self._scalar_token()
            if self._token.kind in _SCALARS:
                raise SyntaxFault(self._token.at, "P002", f"expected '=' after '{name.text}'")
            if self._token.kind != "=":
                raise self._unexpected(f"after '{name.text}'", f'an attribute is written `{name.text}="value"`')
            self._take()
            attributes.append(Attribute(_scalar(name), _scalar(self._scalar_token())))
        self._leave()
        return tuple(attributes)

    # --- tokens and brackets ---

    def _take(self) -> Token:
        token = self._token
        self._token = self._lexer.next()
        return token

    def _scalar_token(self) -> Token:
        token = self._token
        if token.kind not in _SCALARS:
            raise self._unexpected()
        if token.text == "," and token.kind == "word":
            raise SyntaxFault(token.at, "P005", "',' is not a separator", "list elements are separated by blanks")
        return self._take()

    def _enter(self, bracket: str) -> Token:
        if self._token.kind != bracket:
            raise self._unexpected(None, f"expected '{bracket}'")
        if len(self._open) >= MAX_DEPTH:
            raise SyntaxFault(self._token.at, "P001", f"brackets are nested more than {MAX_DEPTH} deep")
        opening = self._take()
        self._open.append(opening)
        return opening

    def _leave(self) -> None:
        self._open.pop()
        self._take()

    def _unexpected(self, where: str | None = None, hint: str | None = None) -> SyntaxFault:
        """Why the look-ahead cannot stand here: never closed, closed wrongly, or simply out of place."""
        token = self._token
        opening = self._open[-1] if self._open else None
        if token.kind == "end":
            if opening is not None:
                return SyntaxFault(opening.at, "P003", f"'{opening.text}' is never closed")
            return SyntaxFault(token.at, "P001", f"the text ends {where or 'where a value is expected'}", hint)
        if token.kind in {"}", "]", ")"} and (opening is None or token.kind != _CLOSER[opening.text]):
            return self._mismatch(token, opening)
        place = where or (f"in {_CONTENT[opening.text]}" if opening else "")
        text = f"unexpected '{token.text}' {place}".rstrip()
        return SyntaxFault(token.at, "P001", text, self._hint(token, opening) or hint)

    def _mismatch(self, token: Token, opening: Token | None) -> SyntaxFault:
        if opening is None:
            return SyntaxFault(token.at, "P004", f"'{token.text}' closes nothing")
        text = f"'{token.text}' does not close the '{opening.text}' that is open"
        return SyntaxFault(token.at, "P004", text, self._still_open(opening))

    def _hint(self, token: Token, opening: Token | None) -> str | None:
        if token.kind == "{" and opening and opening.text in "([":
            return "dictionaries are written with `[ ]`"
        if token.kind == "=" and opening and opening.text == "(":
            return self._still_open(opening)
        if token.kind == "=":
            return "quote values that contain `=`"
        return None

    def _still_open(self, opening: Token) -> str:
        place = self._place(opening.at - self._base)
        return f"the `{opening.text}` opened at {place.line}:{place.column} is still open"


def _scalar(token: Token) -> Scalar:
    return tuple.__new__(Scalar, token[1:])  # the same three fields; the constructor takes three times as long
