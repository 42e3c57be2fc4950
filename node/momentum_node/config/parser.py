"""Tokens to the syntax tree, for both dialects (configuration §3), with one token of look-ahead.

Recursive descent with a bound on depth, so neither a hostile text nor the stack of the caller decides how deep it goes.
"""

from momentum_node.config import advice
from momentum_node.config.lexer import END, SIGNS, Lexer, SyntaxFault, Token, string
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
    made,
)

MAX_DEPTH = 64  # brackets inside brackets; the deepest listing of the manuals has 7
CLASSES = frozenset({"logger", "module", "validate", "io_system", "interpreter"})
MODIFIERS = frozenset({"passive", "enabled", "disabled"})
_INCLUDES = {"include": False, "readonly_include": True}
_NAMED_BY_REGEX = frozenset({"domain", "host"})
_CLOSER = {"{": "}", "[": "]", "(": ")", "<": ">"}
_CONTENT = {"{": "block", "[": "dictionary", "(": "list", "<": "attributes"}
_NO_SCALAR = SIGNS | {END}
_QUOTES = frozenset("\"'")
_OPENING_A_BODY = frozenset("[(<")


def parse(source: Source, lexer: Lexer | None = None) -> tuple[Statement, ...]:
    """The statements of one file, includes not followed; raises SyntaxFault at the first thing that is wrong.
    A `lexer` of the caller's sees every token that is read."""
    parser = _Parser(source, lexer or Lexer(source))
    try:
        return parser.file()
    except SyntaxFault as fault:
        meant = advice.hint(source.text, parser.begin - source.base, fault.at - source.base, fault.code)
        raise SyntaxFault(fault.at, fault.code, fault.text, meant or fault.hint) from None


class _Parser:
    def __init__(self, source: Source, lexer: Lexer) -> None:
        self._lexer = lexer
        self._place = source.place
        self._base = source.base
        self._open: list[Token] = []  # the brackets that are open, outermost first
        self._tokens = lexer.tokens(source.base)
        self._token = (END, source.base)  # the look-ahead
        self.begin = source.base  # of the statement in hand

    def file(self) -> tuple[Statement, ...]:
        self._take()
        statements = []
        while self._token[0]:
            statements.append(self._statement())
        return tuple(statements)

    # --- statements ---

    def _statement(self) -> Statement:
        self.begin = self._token[1]
        first = self._scalar()
        follower = self._token[0]
        if follower == "=":
            return self._after_equals(first)
        if follower not in _NO_SCALAR:
            return self._two_words(first)
        if follower in {"[", "("}:
            return Entry(first, self._value(first))
        if follower == "{":
            return self._stanza(first, None, ())
        if first.text == ";" and not first.quote:
            raise SyntaxFault(first.at, "P001", "';' is not a separator")
        raise self._unexpected(f"after '{first.text}'", "an option is written `name = value`, a stanza `name { … }`")

    def _after_equals(self, first: Scalar) -> Statement:
        equals = self._token
        self._token = follower = next(self._tokens)
        if follower[0] not in _NO_SCALAR:  # most statements of a large file
            return made(Entry, (first, self._scalar()))
        if follower[0] == "{":
            return self._stanza(first, None, (), equals_at=equals[1])
        return Entry(first, self._value(first))

    def _two_words(self, first: Scalar) -> Statement:
        word = "" if first.quote else first.text.lower()
        if word == ";":
            raise SyntaxFault(first.at, "P001", "';' is not a separator")
        if word in _INCLUDES:
            return Include(self._scalar(), _INCLUDES[word])
        if word in CLASSES:
            return self._loader(first)
        if word in _NAMED_BY_REGEX and self._token[0].startswith("/"):
            instance, self._tokens = self._lexer.regex_name(self._token)
            self._token = next(self._tokens)
        else:
            instance = self._scalar()
        if first.quote or self._token[0] not in {"{", "<"}:
            raise SyntaxFault(instance.at, "P002", f"expected '=' after '{first.text}'", self._equals_hint(first))
        return self._stanza(first, instance, self._attributes())

    def _equals_hint(self, first: Scalar) -> str | None:
        if self._token[0] not in _NO_SCALAR or self._token[0] == "=":
            return None
        return f"an option is written `{first.text} = value`, a named stanza `{first.text} name {{ … }}`"

    def _stanza(
        self, name: Scalar, instance: Scalar | None, attributes: tuple[Attribute, ...], equals_at: int | None = None
    ) -> Stanza:
        if name.quote:
            raise SyntaxFault(name.at, "P001", f"the name of a stanza is written without quotes: '{name.text}'")
        return Stanza(name, instance, attributes, self._block(), equals_at)

    def _loader(self, first: Scalar) -> Loader:
        path = self._scalar()
        if self._token[0] in _NO_SCALAR:
            hint = f"a module is loaded by `{first.text} path symbol {{ … }}`"
            raise SyntaxFault(self._token[1], "P009", f"module symbol missing after '{path.text}'", hint)
        symbol = self._scalar()
        modifier = None if self._token[0] in _NO_SCALAR else self._modifier()
        attributes = self._attributes()
        return Loader(first, path, symbol, modifier, attributes, self._block())

    def _modifier(self) -> Scalar:
        word = self._scalar()
        if word.text.lower() not in MODIFIERS:
            hint = "known are passive, enabled and disabled"
            if self._token[0] == "=":
                hint = f"attributes stand in `< >`: `<{word.text}=…>`"
            raise SyntaxFault(word.at, "P008", f"'{word.text}' is not a module modifier", hint)
        if self._token[0] not in _NO_SCALAR:
            raise SyntaxFault(self._token[1], "P008", "only one module modifier is allowed")
        return word

    def _block(self) -> tuple[Statement, ...]:
        self._enter("{")
        statements = []
        while self._token[0] != "}":
            statements.append(self._statement())
        self._leave()
        return tuple(statements)

    # --- values ---

    def _value(self, key: Scalar) -> Value:
        follower = self._token[0]
        if follower == "(":
            return self._array(endpoints=key.text.lower().endswith("_listener"))
        if follower == "[":
            return self._dict()
        return self._scalar()

    def _array(self, *, endpoints: bool = False) -> Array:
        opening = self._enter("(")
        elements = []
        while (follower := self._token[0]) != ")":
            scalar = (endpoints and follower == "[" and self._endpoint()) or self._scalar()
            if self._token[0] in _OPENING_A_BODY:
                elements.append(self._element(scalar, endpoints=endpoints))
            else:
                elements.append(made(Element, (scalar, (), None)))
        self._leave()
        return Array(tuple(elements), opening)

    def _endpoint(self) -> Scalar | None:
        """A `[` in a listener list begins an endpoint, if it looks like one."""
        found = self._lexer.endpoint(self._token)
        if found is None:
            return None
        scalar, self._tokens = found
        self._token = next(self._tokens)
        return scalar

    def _element(self, scalar: Scalar, *, endpoints: bool) -> Element:
        attributes = self._attributes()
        if self._token[0] == "(":
            return Element(scalar, attributes, self._array())
        if self._token[0] == "[" and not (endpoints and self._lexer.endpoint(self._token)):
            return made(Element, (scalar, attributes, self._dict()))
        return Element(scalar, attributes)

    def _dict(self) -> Dict:
        opening = self._enter("[")
        entries = []
        while self._token[0] != "]":
            key = self._scalar()
            if self._token[0] == "=":
                self._take()
            elif self._token[0] not in _NO_SCALAR:
                raise SyntaxFault(self._token[1], "P002", f"expected '=' after '{key.text}'")
            elif self._token[0] not in {"[", "("}:
                raise self._unexpected(f"after '{key.text}'", f"an entry is written `{key.text} = value`")
            entries.append(Entry(key, self._value(key)))
        self._leave()
        return made(Dict, (tuple(entries), opening))

    def _attributes(self) -> tuple[Attribute, ...]:
        if self._token[0] != "<":
            return ()
        self._enter("<")
        attributes = []
        while self._token[0] != ">":
            name = self._scalar()
            if self._token[0] not in _NO_SCALAR:
                raise SyntaxFault(self._token[1], "P002", f"expected '=' after '{name.text}'")
            if self._token[0] != "=":
                raise self._unexpected(f"after '{name.text}'", f'an attribute is written `{name.text}="value"`')
            self._take()
            attributes.append(Attribute(name, self._scalar()))
        self._leave()
        return tuple(attributes)

    # --- tokens and brackets ---

    def _take(self) -> Token:
        token = self._token
        self._token = next(self._tokens)
        return token

    def _scalar(self) -> Scalar:
        """The look-ahead, which must be a bareword or a string."""
        token = self._token
        text, at = token
        if text in _NO_SCALAR:
            raise self._unexpected()
        if text == ",":
            raise SyntaxFault(at, "P005", "',' is not a separator", "list elements are separated by blanks")
        self._token = next(self._tokens)
        return string(token) if text[0] in _QUOTES else made(Scalar, (text, at, ""))

    def _enter(self, bracket: str) -> int:
        """Open a bracket; its position."""
        token = self._token
        if token[0] != bracket:
            raise self._unexpected(None, f"expected '{bracket}'")
        if len(self._open) >= MAX_DEPTH:
            raise SyntaxFault(token[1], "P001", f"brackets are nested more than {MAX_DEPTH} deep")
        self._token = next(self._tokens)
        self._open.append(token)
        return token[1]

    def _leave(self) -> None:
        self._open.pop()
        self._token = next(self._tokens)

    def _unexpected(self, where: str | None = None, hint: str | None = None) -> SyntaxFault:
        """Why the look-ahead cannot stand here: never closed, closed wrongly, or simply out of place."""
        text, at = self._token
        opening = self._open[-1] if self._open else None
        if text == END:
            if opening is not None:
                return SyntaxFault(opening[1], "P003", f"'{opening[0]}' is never closed")
            return SyntaxFault(at, "P001", f"the text ends {where or 'where a value is expected'}", hint)
        if text in {"}", "]", ")"} and (opening is None or text != _CLOSER[opening[0]]):
            return self._mismatch(self._token, opening)
        place = where or (f"in {_CONTENT[opening[0]]}" if opening else "")
        return SyntaxFault(at, "P001", f"unexpected '{text}' {place}".rstrip(), self._hint(text, opening) or hint)

    def _mismatch(self, token: Token, opening: Token | None) -> SyntaxFault:
        if opening is None:
            return SyntaxFault(token[1], "P004", f"'{token[0]}' closes nothing")
        text = f"'{token[0]}' does not close the '{opening[0]}' that is open"
        return SyntaxFault(token[1], "P004", text, self._still_open(opening))

    def _hint(self, text: str, opening: Token | None) -> str | None:
        if text == "{" and opening and opening[0] in "([":
            return "dictionaries are written with `[ ]`"
        if text == "=" and opening and opening[0] == "(":
            return self._still_open(opening)
        if text == "=":
            return "quote values that contain `=`"
        return None

    def _still_open(self, opening: Token) -> str:
        place = self._place(opening[1] - self._base)
        return f"the `{opening[0]}` opened at {place.line}:{place.column} is still open"
