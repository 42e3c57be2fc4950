"""The node list is read, or refused with its source named."""

import json

import pytest

from momentum_node.errors import ConfigurationError
from momentum_node.nodelist import ListedNode, parse

TEXT = json.dumps(
    {
        "cluster": "5f3",
        "nodes": [{"name": "n1", "id": 1, "address": "198.18.0.1"}, {"name": "n2", "id": 7, "address": "198.18.0.2"}],
        "arbiter": {"id": 9},
    }
)


def test_every_id_counts_for_the_quorum_the_arbiters_too() -> None:
    assert parse(TEXT, "nodes.json").ids == {1, 7, 9}


def test_a_node_is_found_by_its_short_name_in_any_case() -> None:
    assert parse(TEXT, "nodes.json").find("N2.example.org") == ListedNode("n2", 7, "198.18.0.2")
    assert parse(TEXT, "nodes.json").find("n3") is None


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"cluster": "x", "nodes": [{"name": "a"}]}', '{"cluster": "x", "nodes": 3}'],
)
def test_anything_else_is_refused_with_its_source(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"nodes\.json: not a node list"):
        parse(text, "nodes.json")


def test_an_id_given_twice_is_refused() -> None:
    twice = TEXT.replace('"id": 7', '"id": 1')
    with pytest.raises(ConfigurationError, match="stands twice"):
        parse(twice, "nodes.json")
