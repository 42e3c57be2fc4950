"""Any bytes at all: a configuration loads, or is refused with places. Nothing else ever leaves the room."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.configuration import GOLDEN, refused
from tests.support.configuration_laws import answers_or_says_why, loads_or_is_refused, matches_in_time

EXAMPLES = [path.read_bytes() for path in sorted(GOLDEN.rglob("*.conf"))]
VOCABULARY = r"""
{ } [ ] ( ) = < > , ; # " ' / \ Binding Domain ESMTP_Listener Listen Peer cluster Logger include acl continue options
duravip enabled 0.0.0.0/0 10.0.0.1:25,5~2 [::1]:25 /a+$/ Bind_Address Enable_Duravip personality Replicate replicate
Topology Match_Domain RFC2822 Authorization allow relay_hosts context LOGIN TLS -1 true
"""
WORDS = [*VOCABULARY.split(), "\n"]


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


PATH = (
    "Binding b Binding_Group g Domain a.test Host mx ESMTP_Listener Listen *:25 Peer 10.0.0.0/8 Idle_Time Max_Retries"
)
PATHS = st.lists(st.sampled_from([*PATH.split(), *WORDS]) | st.text(max_size=4), max_size=6).map(" ".join)
TEXTS = st.sampled_from(
    [*EXAMPLES, b"Binding b { Max_Retries = 3 Domain a.test { } } ESMTP_Listener { Listen *:25 {} }"]
)


@given(TEXTS, PATHS)
def test_every_path_gets_an_answer_or_a_reason(text: bytes, path: str) -> None:
    answers_or_says_why(text + b"\0" + path.encode(errors="replace"))


EXPRESSIONS = st.lists(st.sampled_from([*"ab|()*+?.[]^$\\{}0123456789", "(?=", "(?i)", r"\w", "){1,99}"]), max_size=16)


@given(EXPRESSIONS.map("".join), st.text(alphabet="ab1 ", max_size=9))
def test_every_expression_ends_in_time(expression: str, text: str) -> None:
    matches_in_time(f"{expression}\0{text}".encode())


@pytest.mark.long
@pytest.mark.timeout(1800)
@settings(max_examples=20_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(EXAMPLES), st.lists(st.sampled_from(WORDS) | st.text(max_size=3), max_size=9), st.data())
def test_many_examples_with_many_pieces_changed(text: bytes, words: list[str], data: st.DataObject) -> None:
    for word in words:
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 40)))
        text = text[:start] + word.encode(errors="surrogatepass") + text[end:]
    loads_or_is_refused(text)
