"""The law of the compiled form: it says what the text says, to every question that may be asked of it."""

from ipaddress import IPv4Address, IPv6Address

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from momentum_node.config.addresses import binding_scopes
from momentum_node.config.compiled import compiled
from momentum_node.config.loading import Loaded
from momentum_node.config.model import Address
from momentum_node.config.printer import print_tree
from momentum_node.config.stored import check, stored
from momentum_node.config.tree import Scope
from momentum_node.spool.assignment import Assignment
from tests.support.configuration import loaded
from tests.support.generated_trees import trees

NAMES = ["", "default", "absent", "a.test", "b.test", "x.slow.test"]
CLIENTS: list[Address] = [
    IPv4Address("10.1.2.3"),
    IPv4Address("192.0.2.1"),
    IPv6Address("::ffff:10.0.0.1"),
    IPv6Address("2001:db8::1"),
]
DOMAINS = """
    Domain a.test {{ Retry_Interval = {0} }}
    Domain /test$/ {{ Retry_Interval = {1}  Connect_Timeout = {0} }}
    Domain /slow/ {{ Idle_Timeout = {2} }}
"""


def both(text: str) -> tuple[Loaded, Loaded]:
    read = loaded(text)
    data = compiled(read)
    check([data])
    return read, stored(data)


def same_answers(read: Loaded, again: Loaded) -> None:
    bindings = {scope.instance or "" for _, scope in binding_scopes(read.tree)}
    domains = {key for _, scope in binding_scopes(read.tree) for kind, key in scope.children if kind == "domain"}
    for binding in sorted(bindings | set(NAMES)):
        for domain in sorted(domains | set(NAMES)):
            assert again.outbound(binding, domain) == read.outbound(binding, domain)
    for listener in read.node.listeners:
        for client in CLIENTS:
            assert again.inbound(listener, client) == read.inbound(listener, client)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first text takes long where nothing is cached
@given(trees())
def test_a_compiled_configuration_gives_the_same_answers(tree: Scope) -> None:
    read, again = both(print_tree(tree))

    assert again.tree == read.tree
    assert again.node == read.node
    assert again.warnings == read.warnings
    assert print_tree(again.tree) == print_tree(read.tree)
    same_answers(read, again)


@given(st.lists(st.integers(1, 99), min_size=9, max_size=9), st.booleans(), st.booleans())
def test_fallback_is_the_same_in_every_container(numbers: list[int], is_grouped: bool, is_default: bool) -> None:
    inner = DOMAINS.format(*numbers[:3])
    binding = f'Binding "b" {{ Retry_Interval = {numbers[3]} {inner} }}'
    name = "default" if is_default else "g"
    group = f'Binding_Group "{name}" {{ {DOMAINS.format(*numbers[3:6])} {binding if is_grouped else ""} }}'
    read, again = both(f"{group} {'' if is_grouped else binding} {DOMAINS.format(*numbers[6:])}")

    same_answers(read, again)


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["x.test", "y.test"]), st.booleans()), max_size=4))
def test_messages_are_assigned_to_the_same_bindings(bindings: list[tuple[int, str, bool]]) -> None:
    text = "".join(
        f"Binding b{i} {{ Bind_Address = 192.0.2.{number}  Match_Domain = ( {domain} )  Enable_Duravip = {movable} }}\n"
        for i, (number, domain, movable) in enumerate(bindings)
    )
    read, again = both('cluster { Topology "192.0.2.0/24" { interface = eth0 } }\n' + text)

    first, second = Assignment(read.node.bindings), Assignment(again.node.bindings)
    for domain in ("x.test", "y.test", "z.test"):
        for number in (1, 2, 9):
            address = IPv4Address(f"192.0.2.{number}")
            assert second.choose(domain, address) == first.choose(domain, address)
