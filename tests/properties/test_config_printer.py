"""The law of the printer: what is printed reads back as the same tree."""

from hypothesis import given

from momentum_node.config.printer import print_tree, quoted
from momentum_node.config.tree import Scope
from tests.support.configuration import loaded
from tests.support.generated_trees import TEXT, trees


@given(trees())
def test_what_is_printed_reads_back_as_the_same_tree(tree: Scope) -> None:
    assert loaded(print_tree(tree)).tree == tree


@given(TEXT)
def test_any_text_survives_quoting(text: str) -> None:
    assert loaded(f"Gateway = {quoted(text)}").tree.value("gateway") == text
