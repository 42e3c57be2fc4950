"""The examples of the specification: every valid one loads and prints as stored, every invalid one fails exactly so."""

import dataclasses
from ipaddress import IPv4Address

import pytest

from momentum_node.config.bindings import Bindings
from momentum_node.config.loading import ConfigurationInvalid, Loaded, load
from momentum_node.config.model import Listener, NodeConfiguration, Place
from momentum_node.config.printer import print_tree
from tests.support.configuration import GOLDEN, MemoryFiles, loaded, where

VALID = sorted(path.stem for path in (GOLDEN / "valid").glob("*.conf"))
INVALID = sorted((path.stem for path in (GOLDEN / "invalid").glob("*.conf")), key=lambda name: int(name[1:]))

# What the specification states for each, besides the text in the golden file.
STATED = {
    "I1": "3:13 P001",
    "I2": "1:17 P003",
    "I3": "1:17 V003",
    "I4": "1:26 P005",
    "I5": "2:8 P002",
    "I6": "1:46 P001",
    "I7": "1:19 L001",
    "I8": "1:1 L002",
    "I9": "2:3 S001",
    "I10": "2:3 S002",
    "I11": "1:22 V001",
    "I12": "2:19 X001",
    "I13": "2:36 X002",
    "I14": "2:12 V003",
    "I15": "3:11 S005",
    "I16": "1:26 P009",
    "I17": "1:55 P008",
    "I18": "1:8 V004",
    "I19": "4:19 P001",
    "I20": "1:30 V001",
    "I21": "1:9 S004",
    "I22": "1:53 V001",
}


def example(name: str) -> Loaded:
    files = GOLDEN / "valid" / "files"
    beside: dict[str, str | bytes] = {str(path.relative_to(files)): path.read_text() for path in files.rglob("*.conf")}
    beside["conf.d/.hidden"] = "this is not read"
    return load(name, MemoryFiles({**beside, name: (GOLDEN / "valid" / f"{name}.conf").read_text()}))


@pytest.mark.parametrize("name", VALID)
def test_a_valid_example_prints_its_canonical_form(name: str) -> None:
    expected = (GOLDEN / "valid" / f"{name}.canonical").read_text()

    assert print_tree(example(name).tree) == expected


@pytest.mark.parametrize("name", VALID)
def test_the_canonical_form_reads_back_as_the_same_tree(name: str) -> None:
    tree = example(name).tree

    assert loaded(print_tree(tree)).tree == tree


@pytest.mark.parametrize("name", INVALID)
def test_an_invalid_example_is_refused_at_its_place(name: str) -> None:
    refusal = refused_example(name)

    assert refusal.text + "\n" == (GOLDEN / "invalid" / f"{name}.txt").read_text()
    assert [where(message) for message in refusal.messages] == [STATED[name]]


def refused_example(name: str) -> ConfigurationInvalid:
    with pytest.raises(ConfigurationInvalid) as caught:
        load(name, MemoryFiles({name: (GOLDEN / "invalid" / f"{name}.conf").read_text()}))
    return caught.value


def test_smallest_files_of_both_dialects_say_the_same() -> None:
    assert meaning(example("V1")) == meaning(example("V2"))


def test_a_cluster_node_of_both_dialects_says_the_same() -> None:
    old, new = example("V5"), example("V6")

    assert meaning(old) == meaning(new)
    listener = next(one for one in old.node.listeners if one.duravip)
    client = IPv4Address("203.0.113.9")
    assert old.inbound(listener, client) == new.inbound(listener, client)
    assert old.inbound(listener, client).idle_time_s == 240
    assert old.inbound(listener, client).banner_hostname == "in1.north.test"


def meaning(example: Loaded) -> NodeConfiguration:
    """The typed configuration without digest, places and the order of notices."""
    node = example.node
    nowhere = Place("", 1, 1)
    cluster = node.cluster
    if cluster is not None:
        topologies = tuple(dataclasses.replace(entry, place=nowhere) for entry in cluster.topologies)
        cluster = dataclasses.replace(cluster, topologies=topologies)
    vips = tuple(
        dataclasses.replace(vip, topology=vip.topology and dataclasses.replace(vip.topology, place=nowhere))
        for vip in node.vips
    )
    return dataclasses.replace(
        node,
        digest="",
        notices=(),
        cluster=cluster,
        vips=vips,
        listeners=tuple(dataclasses.replace(one, place=nowhere) for one in node.listeners),
        bindings=Bindings({name: dataclasses.replace(one, place=nowhere) for name, one in node.bindings.items()}),
    )


def test_included_files_are_read_in_order_and_hidden_ones_are_not() -> None:
    v7 = example("V7")

    assert v7.outbound("default", "a.test").retry_interval_s == 600
    assert v7.outbound("default", "a.test").message_expiration_s == 604800
    assert v7.node.hostname == "n1.north.test"
    assert [where(message) for message in v7.warnings] == ["1:1 W02"]


def test_the_pathway_of_a_listener_adds_its_options() -> None:
    listener = Listener(address=None, port=25, backlog=5, enabled=True, duravip=False, preference=None, place=PLACE)
    text = """
        Pathway "partners" { Max_Message_Size = 52428800  Require_EHLO = true }
        ESMTP_Listener {
          Require_EHLO = false
          Peer "203.0.113.0/24" { Pathway = "partners" }
          Listen ":25" {}
        }
    """

    options = loaded(text).inbound(listener, IPv4Address("203.0.113.9"))

    assert (options.max_message_size, options.require_ehlo) == (52428800, True)
    assert loaded(text).inbound(listener, IPv4Address("198.51.100.1")).max_message_size == 0


PLACE = Place("main.conf", 1, 1)
