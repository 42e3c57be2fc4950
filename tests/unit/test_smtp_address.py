"""Envelope addresses."""

import pytest

from momentum_node.smtp.address import parse_mailbox, split_path


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("a@b.test", "b.test"),
        ("a.b+c@B.Test.", "b.test"),
        ('"a b\\"@"@b.test', "b.test"),
        ("a@[192.0.2.1]", "[192.0.2.1]"),
        ("a@[IPv6:2001:db8::1]", "[ipv6:2001:db8::1]"),
        ("postmaster", ""),
        ("jürgen@bücher.test", "bücher.test"),
    ],
)
def test_good_addresses(text: str, domain: str) -> None:
    mailbox = parse_mailbox(text)
    assert mailbox is not None
    assert mailbox.domain == domain
    assert mailbox.text == text


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "@b.test",
        "a@",
        "a b@c.test",
        "a..b@c.test",
        "a@-b.test",
        "a@[300.1.1.1]",
        "a@b.test\r",
        f"{'x' * 65}@b.test",
    ],
)
def test_bad_addresses(text: str) -> None:
    assert parse_mailbox(text) is None


def test_a_path_is_split_from_its_parameters() -> None:
    assert split_path("<a@b.test> SIZE=1 X") == ("a@b.test", "SIZE=1 X")
    assert split_path("<@one.test,@two.test:a@b.test>") == ("a@b.test", "")
    assert split_path('<"x>y"@b.test>') == ('"x>y"@b.test', "")
    assert split_path("a@b.test") is None
    assert split_path("<a@b.test>SIZE=1") is None


@pytest.mark.parametrize("text", ["a..b@x.test", ".a@x.test", "a.@x.test", "a(b)c@x.test", "x" * 200 + "@x.test"])
def test_without_pedantic_rules_a_local_part_may_be_odd(text: str) -> None:
    assert parse_mailbox(text) is None
    found = parse_mailbox(text, is_pedantic=False)
    assert found is not None
    assert (found.text, found.domain) == (text, "x.test")


@pytest.mark.parametrize(
    "text",
    ["a b@x.test", "a<b@x.test", "a\r\nb@x.test", "a\0b@x.test", "@x.test", "a@b@x.test", "a@..", 'a"b@x.test',
     "x" * 300 + "@x.test"],
)  # fmt: skip
def test_what_could_be_taken_for_something_else_is_never_an_address(text: str) -> None:
    assert parse_mailbox(text, is_pedantic=False) is None
