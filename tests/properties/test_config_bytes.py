"""Any bytes at all: a configuration loads, or is refused with places. Nothing else ever leaves the room."""

from ipaddress import IPv4Address

from hypothesis import example, given
from hypothesis import strategies as st

from momentum_node.config.conversion import convert
from momentum_node.config.loading import ConfigurationInvalid, Loaded, load
from momentum_node.config.printer import print_tree
from momentum_node.config.tree import Scope, bare
from tests.support.configuration import GOLDEN, MemoryFiles, refused

EXAMPLES = [path.read_bytes() for path in sorted(GOLDEN.rglob("*.conf"))]
VOCABULARY = r"""
{ } [ ] ( ) = < > , ; # " ' / \ Binding Domain ESMTP_Listener Listen Peer cluster Logger include acl continue options
duravip enabled 0.0.0.0/0 10.0.0.1:25,5~2 [::1]:25 /a+$/ Bind_Address Enable_Duravip personality Replicate replicate
Topology Match_Domain RFC2822 Authorization allow relay_hosts context LOGIN TLS -1 true
"""
WORDS = [*VOCABULARY.split(), "\n"]


def attempt(data: bytes) -> tuple[Loaded | None, ConfigurationInvalid | None]:
    try:
        return load("main.conf", MemoryFiles({"main.conf": data})), None
    except ConfigurationInvalid as refusal:
        return None, refusal


def loads_or_is_refused(data: bytes) -> None:
    loaded, refusal = attempt(data)
    if loaded is None:
        assert refusal is not None
        assert refusal.messages
        assert all(message.place.line >= 1 and message.place.column >= 1 for message in refusal.messages)
        assert all(line.isprintable() for line in refusal.text.split("\n"))
        return
    assert load("main.conf", MemoryFiles({"main.conf": print_tree(loaded.tree)})).tree == loaded.tree
    converts_to_the_same(data, loaded)
    for listener in loaded.node.listeners:
        loaded.inbound(listener, IPv4Address("10.0.0.1"))
    loaded.outbound("default", "a.test")


def converts_to_the_same(data: bytes, before: Loaded) -> None:
    if not any("replaces the list" in message.text for message in before.warnings):
        text = convert("main.conf", MemoryFiles({"main.conf": data}))
        after = load("main.conf", MemoryFiles({"main.conf": text}))
        assert unordered(after.tree) == unordered(before.tree)


def unordered(scope: Scope) -> object:
    """The meaning of a tree without the order of options and of scopes."""
    settings = {name: bare(setting.value) for name, setting in scope.settings.items()}
    children = {key: unordered(child) for key, child in scope.children.items()}
    rules = [(unordered(rule.scope), rule.continues, rule.unites_relay_hosts) for rule in scope.acl]
    return scope.instance, settings, children, rules


@given(st.binary(max_size=200))
@example(b"\xff")
@example(b"\0")
@example(b'a = "\0"')
@example(b"\xef\xbb\xbfRetry_Interval = 5")
@example(b"\xed\xa0\x80")
@example(b"Domain /")
@example(b'include "main.conf"')
def test_any_bytes(data: bytes) -> None:
    loads_or_is_refused(data)


@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=4), max_size=40))
def test_any_words_of_the_language(words: list[str]) -> None:
    loads_or_is_refused(" ".join(words).encode(errors="surrogatepass"))


@given(st.sampled_from(EXAMPLES), st.data())
def test_any_example_with_a_piece_cut_out_and_another_put_in(text: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    piece = data.draw(st.sampled_from(WORDS).map(str.encode) | st.binary(max_size=6))

    loads_or_is_refused(text[:start] + piece + text[end:])


def test_what_a_stranger_wrote_cannot_move_the_cursor() -> None:
    assert "\x1b" not in refused('Gateway = "\x1b[2J" \x1b').text
