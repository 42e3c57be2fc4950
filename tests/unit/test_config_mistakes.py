"""What a person is told who makes a mistake, word by word: the message alone must say what to do."""

import pytest

from momentum_node.config.loading import ConfigurationInvalid
from momentum_node.config.messages import warnings_text
from tests.support.configuration import GOLDEN, loaded

_, *STORIES = (GOLDEN / "mistakes.txt").read_text().rstrip("\n").split("\n====\n# ")


def told(text: str) -> str:
    try:
        return warnings_text(loaded(text).warnings)
    except ConfigurationInvalid as refusal:
        return refusal.text


@pytest.mark.parametrize("story", STORIES, ids=[story.partition("\n")[0] for story in STORIES])
def test_a_mistake_is_told(story: str) -> None:
    text, _, answer = story.partition("\n")[2].partition("\n----\n")

    assert told(text) == answer
