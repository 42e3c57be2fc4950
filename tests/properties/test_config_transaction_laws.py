"""What holds for every change of a configuration: it says what was meant, and nothing else is touched."""

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from momentum_node.config.layout import Layout
from momentum_node.config.source import Sources
from momentum_node.config.tree import Scope, bare
from tests.support.console import MAIN, Console, Node

THREE_X = """\
# edge
Retry_Interval = 5   # five
Relay_Hosts = ( 10.0.0.0/8   # ours
                192.168.0.0/16 )
ESMTP_Listener {
  Idle_Time = 300
  Listen ":25" { Peer 10.0.0.0/8 { Idle_Time = 60 } /* in one line */ }
  Listen "[::1]:25" {}
}

Binding b { Bind_Address = 10.0.0.1 }  # behind
Binding_Group "g" {
\tBinding c {
\t\t# inside
\t\tDomain "/x$/" { Retry_Interval = 7 }
\t}
}
Domain a.test {
    Retry_Interval = 9 Max_Outbound_Connections = 3
    # the end of a.test
}
cluster { logs [ main = /var/log/main ] Topology 10.0.0.0/24 { interface = eth0 } }"""
TWO_X = """\
/* old
   form */
ESMTP_Listener = (
  *:25,200 <duravip="disabled"> [
    0.0.0.0/0 = (
      personality [ idle_time = 300 banner_hostname = r1.test ]
      continue
    )
    10.0.0.0/8 = ( personality [ idle_time = 60 ] )   # rule
  ]
)
Binding b <duravip_preference="n1"> { Bind_Address = 10.0.0.1 Match_Domain = a.test Match_Domain = b.test }
Retry_Interval = 1
Retry_Interval = "2" # again
Logger cluster/ec_cluster cluster passive <debug_level="INFO"> {
  logs [ main = /var/log/main ]
  replicate [ type = "inbound_cidr" ]
  10.0.0.0/24 [ interface = "eth0" ]
}
"""
INCLUDING = (
    '# main\ninclude "sub.conf"\nreadonly_include "vendor.conf"\nDomain a.test { Max_Outbound_Connections = 1 }\n'
)
SUB = "Retry_Interval = 4 # sub\r\nBinding b { Bind_Address = 10.0.0.1 }\r\n# end of sub"
VENDOR = "Domain a.test { Retry_Interval = 2 } # theirs"

DELIVERY = (
    "",
    "Binding b",
    "Binding new",
    "Binding_Group g",
    "Binding_Group g Binding c",
    "Domain a.test",
    "Domain /x$/",
    "Binding b Domain a.test",
    "Binding_Group g Binding c Domain /x$/",
)
RECEPTION = (
    "ESMTP_Listener",
    "ESMTP_Listener Listen *:25",
    "ESMTP_Listener Listen [::1]:25",
    "ESMTP_Listener Listen *:25 Peer 10.0.0.0/8",
    "ESMTP_Listener Peer 10.1.0.0/16",
)
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=12)
QUOTED = WORDS.map(lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"')
NETWORKS = st.lists(st.sampled_from(["10.0.0.0/8", "::1", "192.0.2.0/24"]), max_size=3)
LISTS = NETWORKS.map(lambda items: f"( {' '.join(items)} )")


def _settings(
    paths: tuple[str, ...], option: str, values: st.SearchStrategy[str]
) -> st.SearchStrategy[tuple[str, str]]:
    return st.tuples(st.sampled_from(paths).map(lambda path: f"{path} {option}".strip()), values)


NUMBERS = st.integers(0, 10**6).map(str)
SETTINGS = st.one_of(
    _settings(DELIVERY, "Retry_Interval", NUMBERS),
    _settings(DELIVERY, "EHLO_Hostname", QUOTED),
    _settings(RECEPTION, "Idle_Time", NUMBERS),
    _settings(RECEPTION, "Banner_Hostname", QUOTED),
    _settings(("", *RECEPTION), "Relay_Hosts", LISTS),
    _settings(("Binding b", "Binding other"), "Match_Domain", st.just('( x.test "y.test" )')),
    _settings(("Binding b",), "Duravip_Preference", st.sampled_from(["n1", "n2"])),
    _settings(("cluster",), "logs", st.just('[ main = /x "with blank" = "/y z" ]')),
    _settings(("cluster",), "if_down_limit", st.integers(1, 99).map(str)),
    _settings(("cluster Topology 10.0.0.0/24",), "interface", st.just("eth7")),
)


def nodes() -> st.SearchStrategy[Node]:
    return st.sampled_from([(THREE_X, "", ""), (TWO_X, "", ""), (INCLUDING, SUB, VENDOR)]).map(
        lambda texts: Node(texts[0], sub=texts[1], vendor=texts[2])
    )


def said(scope: Scope, path: tuple[object, ...] = ()) -> Iterator[tuple[object, object]]:
    """Every setting of a tree with its path."""
    yield from (((*path, name), bare(setting.value)) for name, setting in scope.settings.items())
    for key, child in scope.children.items():
        yield from said(child, (*path, key))


def comments(text: str) -> list[str]:
    return [comment.text for comment in Layout(Sources().add("x", text)).comments]


def texts(node: Node) -> dict[str, str]:
    return dict(node.generation.texts.files)


def typed(console: Console, line: str) -> str:
    answer = console(line)
    assert console.status == 0, answer
    return answer


@settings(deadline=None, max_examples=60)
@given(nodes(), SETTINGS)
def test_a_change_says_what_was_meant_and_nothing_else_changes(node: Node, setting: tuple[str, str]) -> None:
    path, value = setting
    before, files = dict(said(node.generation.loaded.tree)), texts(node)
    anna = node.console()

    shown = typed(anna, f"config set {path} = {value}").split("\n")[0]

    after = dict(said(node.generation.loaded.tree))
    different = {key for key in {*before, *after} if before.get(key) != after.get(key)}
    assert len(different) <= 1
    assert typed(anna, f"config get {path}") == shown
    for file, text in texts(node).items():
        old, new = files[file].split("\n"), text.split("\n")
        assert sum(line not in new for line in old) <= 2, "at most the lines of one value"
        lost = [comment for comment in comments(files[file]) if comment not in comments(text)]
        assert not lost or (len(lost) == 1 and "Relay_Hosts" in path and "ours" in lost[0]), "one inside of the list"
        assert ("\r\n" in text) == ("\r\n" in files[file])


@settings(deadline=None, max_examples=60)
@given(nodes(), SETTINGS)
def test_unset_undoes_set(node: Node, setting: tuple[str, str]) -> None:
    path, value = setting
    anna = node.console()
    before, files = dict(said(node.generation.loaded.tree)), texts(node)
    was_unset = typed(anna, f"config get {path}").startswith("Option '")
    anna(f"config show {path.rpartition(' ')[0]}")
    was_written = anna.status == 0

    typed(anna, f"config set {path} = {value}")
    anna(f"config unset {path}")

    if anna.status == 0 and was_unset:
        assert dict(said(node.generation.loaded.tree)) == before
        for file, text in texts(node).items():
            assert comments(text) == comments(files[file])
            kept = text.startswith(files[file].rstrip("\r\n"))  # an empty stanza may stand behind it
            assert kept or not was_written or "".join(text.split()) == "".join(files[file].split())


@settings(deadline=None, max_examples=60)
@given(nodes(), st.lists(SETTINGS, min_size=1, max_size=5), st.booleans())
def test_what_was_committed_is_what_the_files_say(node: Node, wanted: list[tuple[str, str]], together: bool) -> None:
    anna = node.console()
    if together:
        typed(anna, "config begin")
    for path, value in wanted:
        typed(anna, f"config set {path} = {value}")
    if together:
        replayed = typed(anna, "config replay").split("\n")
        assert len(replayed) == len(wanted)
        typed(anna, "config commit")
    runs = node.generation.loaded.tree

    typed(anna, "config writeback")
    typed(anna, "config reload")

    assert node.generation.loaded.tree == runs
    assert typed(anna, "config writeback").startswith("Nothing to write")
    assert node.generation.texts.main == MAIN


@settings(deadline=None, max_examples=60)
@given(nodes(), st.lists(SETTINGS, min_size=1, max_size=4))
def test_a_transaction_does_what_its_changes_do_one_by_one(node: Node, wanted: list[tuple[str, str]]) -> None:
    anna = node.console()
    typed(anna, "config begin")
    for path, value in wanted:
        typed(anna, f"config set {path} = {value}")
    replayed = typed(anna, "config replay").split("\n")
    start = node.generation
    typed(anna, "config commit")
    together = node.generation.loaded.tree

    node.generation = start
    for line in replayed:
        typed(anna, line)

    assert dict(said(node.generation.loaded.tree)) == dict(said(together))
