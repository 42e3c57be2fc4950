"""Which binding a message gets."""

from ipaddress import ip_address

from momentum_node.config.model import Binding, Place
from momentum_node.spool.assignment import Assignment

SOMEWHERE = Place("a.conf", 1, 1)


def binding(name: str, address: str | None = None, *, duravip: bool = False, match: tuple[str, ...] = ()) -> Binding:
    where = None if address is None else ip_address(address)
    return Binding(name, where, duravip, None, SOMEWHERE, match_domains=match)


ASSIGNMENT = Assignment(
    {
        one.name: one
        for one in (
            binding("default"),
            binding("news", "192.0.2.1", match=("news.test",)),
            binding("moving", "192.0.2.41", duravip=True),
            binding("twin-a", "192.0.2.42", duravip=True),
            binding("twin-b", "192.0.2.42", duravip=True),
        )
    }
)


def test_the_sender_domain_comes_first() -> None:
    assert ASSIGNMENT.choose("news.test", ip_address("192.0.2.41")) == "news"


def test_what_comes_in_on_a_duravip_leaves_from_it() -> None:
    assert ASSIGNMENT.choose("x.test", ip_address("192.0.2.41")) == "moving"


def test_an_address_that_is_no_duravip_or_has_two_bindings_says_nothing() -> None:
    assert ASSIGNMENT.choose("x.test", ip_address("192.0.2.1")) == "default"
    assert ASSIGNMENT.choose("x.test", ip_address("192.0.2.42")) == "default"


def test_mail_of_a_removed_binding_goes_to_default() -> None:
    assert ASSIGNMENT.existing("gone") == "default"
    assert ASSIGNMENT.existing("news") == "news"
