"""The parser of our commands: argparse, and a suggestion for a word that is mistyped."""

import re
from argparse import ArgumentParser
from typing import NoReturn

_INVALID_CHOICE = re.compile(r"invalid choice: '([^']{1,40})' \(choose from (.*)\)", re.DOTALL)


class CommandLine(ArgumentParser):
    """Parsers of sub-commands are made of the same class."""

    def error(self, message: str) -> NoReturn:
        """As argparse does it: usage and message, exit status 2."""
        found = _INVALID_CHOICE.search(message)
        near = found and _near(found.group(1), re.findall(r"[\w-]+", found.group(2)))
        super().error(f"'{found.group(1)}' is not known here; did you mean `{near}`?" if found and near else message)


def _near(word: str, known: list[str]) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistyped word needs it

    return next(iter(get_close_matches(word, known, 1, 0.7)), None)
