"""Classes of bounces: what a refusal means, as Momentum numbers it. Pure.

Rules are asked in order, the first that matches wins: the user's files, then the built-in table, which looks at the
enhanced status code (RFC 3463) before the text. A line of a file is `domain,code,rule`: an empty domain means all, a
rule is a part of the reply's text, and `|` in it stands for any text. Lines that begin with `#` are comments.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from momentum_node.errors import ConfigurationError
from momentum_node.smtp.reply import Reply

NAMES: Final = {
    1: "Undetermined",
    10: "Invalid Recipient",
    20: "Soft Bounce",
    21: "DNS Failure",
    22: "Mailbox Full",
    23: "Too Large",
    24: "Timeout",
    25: "Admin Failure",
    30: "Generic Bounce: No RCPT",
    40: "Generic Bounce",
    50: "Mail Block",
    51: "Spam Block",
    52: "Spam Content",
    53: "Prohibited Attachment",
    54: "Relaying Denied",
    60: "Auto-Reply",
    70: "Transient Failure",
    80: "Subscribe",
    90: "Unsubscribe",
    100: "Challenge-Response",
}
LONGEST_TEXT: Final = 2048


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a file. `parts` stand in the text in this order, in lower case."""

    domain: str
    code: int
    parts: tuple[str, ...]

    def matches(self, domain: str, text: str) -> bool:
        """`domain` and `text` in lower case."""
        if self.domain and self.domain != domain:
            return False
        at = 0
        for part in self.parts:
            at = text.find(part, at)
            if at < 0:
                return False
            at += len(part)
        return True


def parse_rules(text: str, file: str) -> list[Rule]:
    """The rules of one file. Raises `ConfigurationError` that names file and line."""
    rules = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        domain, _, rest = line.partition(",")
        code, comma, rule = rest.partition(",")
        if not comma or not rule or code.strip() not in map(str, NAMES):
            raise ConfigurationError(f"{file}:{number}:1: write domain,code,rule with a code of {sorted(NAMES)}")
        parts = tuple(part for part in rule.lower().split("|") if part)
        rules.append(Rule(domain.strip().lower(), int(code), parts))
    return rules


def _is(pattern: str) -> Callable[[Reply, str], bool]:
    compiled = re.compile(pattern)
    return lambda why, _text: compiled.match(why.enhanced) is not None


def _says(pattern: str) -> Callable[[Reply, str], bool]:
    compiled = re.compile(pattern)
    return lambda _why, text: compiled.search(text) is not None


def _both(status: str, words: str) -> Callable[[Reply, str], bool]:
    first, second = _is(status), _says(words)
    return lambda why, text: first(why, text) and second(why, text)


_SPAM: Final = r"spam|reputation|block ?list|black ?list|\brbl\b|dnsbl"
BUILT_IN: Final[Sequence[tuple[Callable[[Reply, str], bool], int]]] = (
    (_both(r"\d\.7\.0$", r"\[internal\]"), 25),
    (_is(r"\d\.1\.[1236]$"), 10),
    (_is(r"\d\.1\.10$"), 10),  # RFC 7505: null MX
    (_is(r"\d\.2\.1$"), 10),  # mailbox disabled
    (_is(r"\d\.2\.2$"), 22),
    (_is(r"\d\.(?:2\.3|3\.4)$"), 23),
    (lambda why, text: why.code == 552 and "size" in text, 23),
    (_is(r"\d\.4\.[34]$"), 21),
    (_both(r"\d\.4\.1$", r"time|timed out"), 24),
    (_is(r"\d\.4\.7$"), 24),
    (_both(r"\d\.4\.2$", r"\[internal\] no "), 24),
    (_both(r"\d\.7\.", r"relay"), 54),
    (_both(r"\d\.7\.", r"attachment|file type|executable"), 53),
    (_both(r"\d\.7\.", r"spam.{0,20}content|content.{0,20}spam"), 52),
    (_both(r"\d\.7\.", _SPAM), 51),
    (_is(r"\d\.7\."), 50),
    (_says(r"relay(?:ing)? (?:access )?denied|not permitted to relay"), 54),
    (_says(r"user unknown|unknown user|no such (?:user|recipient|mailbox)|(?:user|mailbox|recipient) not found"), 10),
    (_says(r"mailbox (?:is )?full|over ?quota|quota exceeded"), 22),
    (_says(r"too (?:large|big)|size limit"), 23),
    (_says(r"domain lookup failed|no mx|host not found"), 21),
    (_says(r"timed out|time-?out"), 24),
    (_says(_SPAM), 51),
)


@dataclass(frozen=True, slots=True)
class Classifier:
    """`rules`: the user's, in order."""

    rules: Sequence[Rule] = ()

    def classify(self, why: Reply, domain: str, *, is_final: bool) -> int:
        """The class of a refusal by `domain`; `is_final`: the message is given up."""
        text = why.text.lower()[:LONGEST_TEXT]
        for rule in self.rules:
            if rule.matches(domain, text):
                return rule.code
        for matches, code in BUILT_IN:
            if matches(why, text):
                return code
        if why.is_permanent:
            return 40
        return 20 if is_final else 70
