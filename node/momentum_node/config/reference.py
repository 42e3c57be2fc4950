"""The page docs/configuration-reference.md, made from the tables of the schema:

python -m momentum_node.config.reference > docs/configuration-reference.md
"""

import sys
from collections.abc import Iterator

from momentum_node.config import notshipped, schema
from momentum_node.config.schema import Option, ScopeKind
from momentum_node.config.values import Type

_OPENING = """# Configuration reference

Made from the tables in `node/momentum_node/config/`; change those, then run
`python -m momentum_node.config.reference > docs/configuration-reference.md`.

Names are written in any case. *Change*: `reload` = a reload changes the value in a running node, `restart` = the old
value stays until the node is started again. *Priority*: P0 the clustering itself, P1 what it cannot do without, P2
further. *Source*: the manual that an option comes from; *ours* are additions. An option that is accepted and acted on
by nothing yet is named in a notice of `momentum-node config check`.

## Types

| type | written as |
| --- | --- |
| string | any text, quoted when it has blanks or one of `# " ' = { } [ ] ( ) < >` |
| number, seconds | digits |
| switch | `true false on off yes no enabled disabled 1 0` |
| permissions | octal digits |
| throttle | `"N"` a second, or `"N/S"` in any S seconds; 0 = no limit |
| monitor | `"S,N"`: N windows of S seconds, behind the current one |
| address, network | IPv4 or IPv6; a network may have a `/mask` |
| expression | a Perl-compatible regular expression |
| list of … | `( … )`, elements separated by blanks |
| dictionary | `[ key = value … ]` |
"""
_TYPES = {
    "int": "number",
    "float": "decimal number",
    "rate": "decimal number above 0",
    "bool": "switch",
    "perms": "permissions",
    "addr": "address",
    "cidr": "network",
    "regex": "expression",
    "dict": "dictionary",
    "retries": "`auto`, `none` or number",
    "linelength": "`ignore` or number from 78",
    "aggressiveness": "`normal`, `high` or 0 to 1",
    "any": "rule lists",
}


def page() -> str:
    """The whole page, as it is committed."""
    return "\n".join([_OPENING, *_scopes(), *_sections(), *_by_scope(), *_not_shipped()]) + "\n"


def _scopes() -> Iterator[str]:
    yield "## Scopes\n\n| scope | instance | stands in |\n| --- | --- | --- |"
    for kind in schema.SCOPES.values():
        parents = ", ".join(sorted(schema.scope_name(parent) for parent in kind.parents))
        yield f"| {kind.name} | {_instance(kind)} | {parents} |"
    yield ""


def _instance(kind: ScopeKind) -> str:
    what = {"Listen": "endpoint", "Peer": "network", "Topology": "network", "Replicate": "type or name"}
    what |= {"Domain": "domain or `/expression/`", "Host": "name of a host or `/expression/`"}
    return what.get(kind.name, "name") if kind.named else "none"


def _sections() -> Iterator[str]:
    for title, options in schema.SECTIONS.items():
        yield f"## {title}\n\n| option | type | default | valid in | change | priority | source | meaning |"
        yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
        yield from (_row(option) for option in options)
        yield ""


def _row(option: Option) -> str:
    default = "" if option.default is None else f"`{option.default}`"
    valid = ", ".join(schema.scope_name(scope) for scope in option.scopes)
    change = "reload" if option.dynamic else "restart"
    source = schema.SOURCES[option.source]
    cells = (f"`{option.name}`", _type(option), default, valid, change, option.priority, source, option.meaning)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _type(option: Option) -> str:
    kind = option.type
    words = " ".join(f"`{word}`" for word in kind.words)
    text = (words or _TYPES.get(kind.kind, kind.kind)) + _range(kind)
    if kind.many:
        text = f"list of {text}"
    return f"{text}, may be repeated" if option.multi else text


def _range(kind: Type) -> str:
    if kind.low is None and kind.high is None:
        return ""
    return f" {kind.low}-{kind.high}" if kind.high is not None else f" from {kind.low}"


def _by_scope() -> Iterator[str]:
    yield "## Options by scope\n"
    for scope in ("", *schema.SCOPES):
        names = sorted((option.name for option in schema.options_in(scope)), key=str.lower)
        if names:
            yield f"**{schema.scope_name(scope)}**: {', '.join(f'`{name}`' for name in names)}\n"
    yield "The keys of **Debug_Flags** are levels, those of **regex_binding2** bindings.\n"


def _not_shipped() -> Iterator[str]:
    yield "## Known and not shipped\n"
    yield "Stanzas and modules of these names are skipped with a warning (W06); `config check --strict` refuses them:\n"
    yield ", ".join(f"`{name}`" for name in sorted(notshipped.SCOPES_AND_MODULES))


if __name__ == "__main__":
    sys.stdout.write(page())
