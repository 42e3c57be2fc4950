"""Regular expressions of the configuration: compiled at load, within a bound.

Python's `re` serves as the Perl-compatible engine. What it cannot do is give up in time: `^(a+)+$` takes exponential
time on a text that nearly matches. So expressions in which a repeated group can match one text in two ways are refused.
"""

import re

MAX_LENGTH = 4096
_POSITION = re.compile(r" at position \d+.*", re.DOTALL)
_TEXTS = (
    ("missing ), unterminated subpattern", "missing ')'"),
    ("unterminated character set", "missing ']'"),
    ("unbalanced parenthesis", "unmatched ')'"),
)


def compiled(text: str) -> re.Pattern[str]:
    """The expression; raises ValueError whose text completes "regular expression does not compile: "."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"it is longer than {MAX_LENGTH} characters")
    try:
        return re.compile(text)
    except re.error as wrong:
        raise ValueError(_reason(wrong.msg)) from None
    except (RecursionError, OverflowError, MemoryError):
        raise ValueError("it is too deeply nested or its repeat counts are too large") from None


def _reason(text: str) -> str:
    text = _POSITION.sub("", text)
    return next((ours for theirs, ours in _TEXTS if theirs in text), text)
