"""The compiled form of a configuration: every example survives it, and a file that is not whole is refused."""

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from momentum_node.config.compiled import HEADER, compiled
from momentum_node.config.evaluation import evaluate
from momentum_node.config.loading import Loaded
from momentum_node.config.stored import CompiledUnusable, check, stored
from tests.support.configuration import GOLDEN, loaded

TEXT = """
Hostname = "mx.north.test"
Relay_Hosts = ( 127.0.0.1 "2001:db8::/32" )
cluster { logs = [ main = "/var/log/main" ]  Topology 198.51.100.0/24 { interface = eth1 } }
ESMTP_Listener = ( 198.51.100.7:25,40 <duravip="enabled"> [
  10.1.0.0/16 = ( limits [ idle_time = 1 ] context [ tenant = "a" ] continue )
  10.0.0.0/8 = ( relay_hosts ( 10.0.0.5 ) context [ team = "b" ] )
] )
Binding_Group "g" {
  Binding "out" { Bind_Address = 198.51.100.8  Domain "a.test" { Max_Retries = 4 } }
}
Domain /(^|\\.)slow\\.test$/ { Max_Outbound_Connections = 2 }
"""


def again(read: Loaded) -> Loaded:
    data = compiled(read)
    check([data])
    return stored(data)


@pytest.mark.parametrize("path", sorted((GOLDEN / "valid").glob("V*.conf")), ids=lambda path: str(path.stem))
def test_every_example_survives(path: Path) -> None:
    files = path.parent / "files"
    read = loaded(
        path.read_text(), files={str(file.relative_to(files)): file.read_text() for file in files.rglob("*.conf")}
    )

    assert again(read).tree == read.tree
    assert again(read).node == read.node


def test_values_keep_their_types_and_places() -> None:
    read = loaded(TEXT)
    found = again(read)
    listener = found.node.listeners[0]

    assert found.node == read.node
    assert found.inbound(listener, IPv4Address("10.1.2.3")) == read.inbound(listener, IPv4Address("10.1.2.3"))
    assert (
        found.inbound(listener, IPv4Address("10.1.2.3")).relay_hosts
        == read.inbound(read.node.listeners[0], IPv4Address("10.1.2.3")).relay_hosts
    )
    assert found.outbound("out", "x.slow.test").max_outbound_connections == 2
    for words in (["Binding", "out", "Domain", "a.test", "Max_Retries"], ["Hostname"], ["cluster", "logs"]):
        expected = evaluate(read.tree, words)
        value = evaluate(found.tree, words)
        assert str(value) == str(expected)
        assert found.sources.place(value.at) == read.sources.place(expected.at)


def test_a_tree_in_a_file_is_not_changed() -> None:
    tree = again(loaded(TEXT)).tree

    with pytest.raises(TypeError):
        tree.add("Binding", "new")


def test_asked_again_an_answer_is_the_same_object() -> None:
    found = again(loaded(TEXT))

    assert found.outbound("out", "a.test") is found.outbound("out", "a.test")
    assert found.outbound("out", "b.test") is found.outbound("out", "c.test")  # equal ones are kept once


@pytest.mark.parametrize("position", [HEADER.size, HEADER.size + 40, -1])
def test_a_changed_byte_is_refused(position: int) -> None:
    data = bytearray(compiled(loaded(TEXT)))
    data[position] ^= 1

    with pytest.raises(CompiledUnusable, match="damaged"):
        check([bytes(data)])


def test_a_short_or_foreign_file_is_refused() -> None:
    data = compiled(loaded(TEXT))

    with pytest.raises(CompiledUnusable, match="damaged"):
        check([data[:200], data[200:-1]])
    with pytest.raises(CompiledUnusable, match="not a compiled configuration"):
        check([b"ESMTP_Listener"])
    with pytest.raises(CompiledUnusable, match="not a compiled configuration"):
        check([])
    with pytest.raises(CompiledUnusable, match="another version"):
        check([data[:8] + b"\7" + data[9:]])
    with pytest.raises(CompiledUnusable, match="another version"):
        check([data[:56] + bytes(16) + data[72:]])


def test_positions_that_lie_are_refused() -> None:
    data = compiled(loaded(TEXT))

    with pytest.raises(CompiledUnusable):
        stored(data[:72] + b"\xff\xff\xff\x7f" + data[76:])
