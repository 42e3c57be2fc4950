"""Which scopes and options there are (configuration §5). The tables (tables_*.py) are the documentation;
this module gives them names, indexes and answers. Scope letters of the tables:

    G global    BG Binding_Group  B Binding  D Domain  H Host            out = G BG B D
    ES CL EC XS the ESMTP, Control, ECCluster and ECStream listener      any = ES CL EC XS
    L Listen    P Peer            PW Pathway and Pathway_Group           in = ES L P PW
    S Security  C cluster  T Topology  R Replicate  RO Role  IA inbound_audit  TP ThreadPool
    EL ec_logger  BL bounce_logger  CU custom_logger  LG Logs  MN Manager  ND Node   module = every module

Remarks of the tables: priority (P0 the clustering itself, P1 what it cannot do without, P2 further), source (M2 and M3:
the manuals of Momentum 2 and 3; ours), and `restart` when a reload leaves the old value in a running node.
"""

from typing import NamedTuple

from momentum_node.config import tables_inbound, tables_node, tables_outbound
from momentum_node.config.values import Type

GLOBAL = "global"


class ScopeKind(NamedTuple):
    """One scope of the language. `parents` are lower-cased names; "" is the file itself."""

    name: str
    letter: str
    named: bool
    parents: frozenset[str]
    is_module: bool = False
    may_be_named: bool = False  # an anonymous module that old files name (W07)


class Option(NamedTuple):
    """One option. `default` is text of the language, None = unset; `scopes` are lower-cased scope names.
    `dynamic`: a reload changes it in a running node. `priority` is P0 to P2, `source` a key of SOURCES."""

    name: str
    type: Type
    default: str | None
    scopes: tuple[str, ...]
    meaning: str
    multi: bool
    dynamic: bool = True
    priority: str = "P1"
    source: str = "M3"


SOURCES = {"M2": "Momentum 2", "M3": "Momentum 3", "ours": "ours"}

_LISTENERS = ("ESMTP_Listener", "Control_Listener", "ECCluster_Listener", "ECStream_Listener")
# name | letter | named or anonymous | parents | module
_SCOPES = """
Binding_Group | BG | named | global |
Binding | B | named | global Binding_Group |
Domain | D | named | global Binding Binding_Group |
Host | H | named | global Binding Binding_Group |
Security | S | anonymous | global |
ESMTP_Listener | ES | anonymous | global |
Control_Listener | CL | anonymous | global |
ECCluster_Listener | EC | anonymous | global |
ECStream_Listener | XS | anonymous | global |
Listen | L | named | ESMTP_Listener Control_Listener ECCluster_Listener ECStream_Listener |
Peer | P | named | ESMTP_Listener Control_Listener ECCluster_Listener ECStream_Listener Listen |
Pathway | PW | named | global Pathway_Group |
Pathway_Group | PW | named | global |
cluster | C | anonymous | global | module
Topology | T | named | cluster |
Replicate | R | named | cluster |
ec_logger | EL | named | global | module
bounce_logger | BL | named | global | module
custom_bounce_logger | BL | named | global | module
custom_logger | CU | named | global | module
inbound_audit | IA | anonymous | global | module old-name
regex_binding2 | RB | named | global | module
ThreadPool | TP | named | global |
Debug_Flags | DF | anonymous | global |
Authorization | AU | anonymous | global |
Role | RO | named | Authorization |
Logs | LG | anonymous | global |
Manager | MN | named | Logs |
Node | ND | named | Logs Manager |
"""
_FREE_KEYS = frozenset({"regex_binding2", "debug_flags"})  # their keys are names of the user
_ORDER = ("G", "BG", "B", "D", "H", "S", "ES", "CL", "EC", "XS", "L", "P", "PW")
_SETS = {"out": ("G", "BG", "B", "D"), "in": ("ES", "L", "P", "PW"), "any": ("ES", "CL", "EC", "XS")}


def _scope_kinds() -> dict[str, ScopeKind]:
    kinds = {}
    for row in _SCOPES.strip().splitlines():
        name, letter, named, parents, remarks = (cell.strip() for cell in row.split("|"))
        above = frozenset("" if parent == GLOBAL else parent.lower() for parent in parents.split())
        module = "module" in remarks.split()
        kinds[name.lower()] = ScopeKind(name, letter, named == "named", above, module, "old-name" in remarks)
    return kinds


SCOPES = _scope_kinds()


def _letters() -> dict[str, tuple[str, ...]]:
    """Scope letter → lower-cased scope names."""
    letters: dict[str, tuple[str, ...]] = {"G": ("",)}
    for name, kind in SCOPES.items():
        letters[kind.letter] = (*letters.get(kind.letter, ()), name)
    letters["module"] = tuple(name for name, kind in SCOPES.items() if kind.is_module)
    return letters


_LETTERS = _letters()


def _scopes(cell: str) -> tuple[str, ...]:
    letters = [letter for word in cell.split() for letter in _SETS.get(word, (word,))]
    if "G" in letters:
        letters.sort(key=lambda letter: _ORDER.index(letter) if letter in _ORDER else len(_ORDER))
    return tuple(dict.fromkeys(name for letter in letters for name in _LETTERS[letter]))


def _type(words: list[str]) -> tuple[Type, bool]:
    many = words[0] == "array"
    multi = words[-1] == "multi"
    kind, *rest = words[many : len(words) - multi]
    if kind == "replication":
        return Type("enum", words=tables_node.REPLICATION_TYPES), multi
    if kind == "enum":
        return Type(kind, many, words=tuple(rest)), multi
    low, _, high = (rest[0] if rest else "..").partition("..")
    return Type(kind, many, int(low) if low else None, int(high) if high else None), multi


_CUSTOM = "".join(tables_node.CUSTOM_STAGE.format(stage=stage) for stage in tables_node.CUSTOM_STAGES)
_TABLES = {
    "Node": tables_node.GLOBAL,
    "Process identity": tables_node.SECURITY,
    "Listeners": tables_inbound.LISTENERS,
    "Reception": tables_inbound.INBOUND,
    "Delivery": tables_outbound.OUTBOUND,
    "Clustering": tables_node.CLUSTER,
    "Logging": tables_node.LOGGING + _CUSTOM,
    "Modules and operators": tables_node.MODULES,
}


def _row(row: str) -> Option:
    name, kind, default, scopes, remarks, meaning = (cell.strip() for cell in row.split("|", 5))
    value_type, multi = _type(kind.split())
    priority, source, *restart = remarks.split()
    given = None if default == "-" else default
    return Option(name, value_type, given, _scopes(scopes), meaning, multi, not restart, priority, source)


SECTIONS = {title: tuple(_row(row) for row in table.strip().splitlines() if row) for title, table in _TABLES.items()}


def _options() -> tuple[dict[tuple[str, str], Option], dict[str, list[Option]]]:
    by_scope: dict[tuple[str, str], Option] = {}
    by_name: dict[str, list[Option]] = {}
    for option in (option for options in SECTIONS.values() for option in options):
        by_name.setdefault(option.name.lower(), []).append(option)
        by_scope.update({(scope, option.name.lower()): option for scope in option.scopes})
    return by_scope, by_name


_BY_SCOPE, _BY_NAME = _options()

_ANY = Type("any")


def option(scope: str, name: str) -> Option | None:
    """The option of a scope, both lower-cased; scope "" is global. None: not an option there."""
    found = _BY_SCOPE.get((scope, name))
    if found is None and scope in _FREE_KEYS:
        return Option(name, _ANY, None, (scope,), "a name of the user", multi=False)
    return found


def options_in(scope: str) -> list[Option]:
    """The options of a scope (lower-cased; "" is global), in the order of the tables."""
    return [option for (where, _), option in _BY_SCOPE.items() if where == scope]


def elsewhere(name: str) -> list[Option]:
    """The options of that lower-cased name in all scopes."""
    return _BY_NAME.get(name, [])


def scope_name(scope: str) -> str:
    """The registered spelling of a lower-cased scope name; "" is global."""
    return SCOPES[scope].name if scope in SCOPES else scope or GLOBAL


def spelling(scope: str, name: str) -> str:
    """The registered spelling of an option or stanza name, or the name as it is when nobody knows it."""
    known = option(scope, name.lower())
    if known is not None and scope not in _FREE_KEYS:
        return known.name
    kind = SCOPES.get(name.lower())
    return kind.name if kind is not None else name


def names_in(scope: str) -> set[str]:
    """Every option and stanza of a scope, registered spelling."""
    options = {option.name for (where, _), option in _BY_SCOPE.items() if where == scope}
    return options | {kind.name for kind in SCOPES.values() if scope in kind.parents}


def close_match(scope: str, name: str) -> str | None:
    """The name somebody may have meant: edit distance at most 2, names of the same scope first."""
    if len(name) > 64:
        return None
    everywhere = {option.name for options in _BY_NAME.values() for option in options}
    everywhere |= {kind.name for kind in SCOPES.values()}
    for names in (names_in(scope), everywhere):
        near = [(distance(name.lower(), known.lower()), known) for known in names if abs(len(known) - len(name)) <= 2]
        best = min(near, default=(9, ""))
        if best[0] <= min(2, len(name) // 3):
            return best[1]
    return None


def distance(left: str, right: str) -> int:
    """Edits (insert, remove, replace one character, swap two neighbours) that turn one text into the other."""
    two_above: list[int] = []
    above = list(range(len(right) + 1))
    for line, mine in enumerate(left):
        row = [line + 1]
        for column, theirs in enumerate(right):
            cost = min(above[column] + (mine != theirs), above[column + 1] + 1, row[column] + 1)
            if line and column and mine == right[column - 1] and left[line - 1] == theirs:
                cost = min(cost, two_above[column - 1] + 1)
            row.append(cost)
        two_above, above = above, row
    return above[-1]
