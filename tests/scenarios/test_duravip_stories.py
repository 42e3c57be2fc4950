"""Each file beside this one is a story about addresses; `STORIES=rewrite` writes what the machines do now."""

import os
from pathlib import Path

import pytest

from tests.support.story import Story

STORIES = sorted(Path(__file__).parent.glob("*.txt"))


def retold(text: str) -> str:
    """The story with the outcomes of this run."""
    story = Story()
    return "\n".join(f"{paragraph}----\n{story.run(paragraph)}" for paragraph in commands_of(text))


def commands_of(text: str) -> list[str]:
    """The paragraphs before each `----`, without the outcomes after it."""
    parts = text.split("----\n")
    first, rest = parts[0], parts[1:]
    return [first, *(commands for part in rest[:-1] if (commands := part.partition("\n\n")[2]))]


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_story(path: Path) -> None:
    text = path.read_text()
    outcome = retold(text)
    if os.environ.get("STORIES") == "rewrite":
        path.write_text(outcome)
    assert outcome == text


def test_there_are_stories() -> None:
    assert len(STORIES) > 10
