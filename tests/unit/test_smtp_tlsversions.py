"""TLS_Protocols: which words leave which versions."""

import ssl

import pytest

from momentum_node.smtp.tlscontexts import limit_versions
from momentum_node.smtp.tlsversions import versions


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("+ALL", {"TLSV1.2", "TLSV1.3"}),
        ("ALL", {"TLSV1.2", "TLSV1.3"}),
        ("+ALL -TLSv1.2", {"TLSV1.3"}),
        ("+ALL:-TLSv1.3", {"TLSV1.2"}),
        ("-ALL, +TLSv1.3", {"TLSV1.3"}),
        ("+ALL +TLSv1.1", {"TLSV1.1", "TLSV1.2", "TLSV1.3"}),
        ("+TLSv1.0 +tlsv1.2", {"TLSV1", "TLSV1.2"}),
        ("+ALL +SSLv3", {"TLSV1.2", "TLSV1.3"}),
    ],
)
def test_words(text: str, left: set[str]) -> None:
    assert versions(text) == left


@pytest.mark.parametrize(("text", "says"), [("+ALL +TLS9", "'\\+TLS9' is none of"), ("-ALL", "allows no version")])
def test_what_leaves_nothing_or_is_no_word_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        versions(text)


@pytest.mark.parametrize(
    ("allowed", "first", "last"),
    [
        ({"TLSV1.3"}, ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3),
        ({"TLSV1.2", "TLSV1.3"}, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3),
    ],
)
def test_a_context_speaks_what_is_left(allowed: set[str], first: ssl.TLSVersion, last: ssl.TLSVersion) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    limit_versions(context, frozenset(allowed))
    assert (context.minimum_version, context.maximum_version) == (first, last)


def test_a_hole_between_versions_is_refused() -> None:
    with pytest.raises(ValueError, match=r"has to allow TLSV1\.2"):
        limit_versions(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), frozenset({"TLSV1.1", "TLSV1.3"}))
