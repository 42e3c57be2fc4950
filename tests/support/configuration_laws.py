"""What holds for every text, whatever it is: the properties and the fuzzer ask the same questions.

A law raises AssertionError where it is broken, and anything else where the configuration room let something escape.
"""

import time
from ipaddress import IPv4Address

from momentum_node.config.conversion import convert
from momentum_node.config.evaluation import PathFault, evaluate
from momentum_node.config.loading import ConfigurationInvalid, Loaded, load
from momentum_node.config.patterns import compiled
from momentum_node.config.printer import print_tree
from momentum_node.config.tree import Scope, bare
from tests.support.configuration import MemoryFiles

MATCHED = 255  # characters of a text that is matched: a domain, a console command
PATIENCE_S = 3.0  # processor time of one small text; a defect takes minutes


def loads_or_is_refused(data: bytes) -> None:
    """A text loads and means the same printed, converted and asked, or it is refused with places and in time."""
    begin = time.process_time()
    loaded, refusal = attempt(data)
    if loaded is None:
        assert refusal is not None
        assert refusal.messages
        assert all(message.place.line >= 1 and message.place.column >= 1 for message in refusal.messages)
        assert all(line.isprintable() for line in refusal.text.split("\n"))
    else:
        assert load("main.conf", MemoryFiles({"main.conf": print_tree(loaded.tree)})).tree == loaded.tree
        converts_to_the_same(data, loaded)
        for listener in loaded.node.listeners:
            loaded.inbound(listener, IPv4Address("10.0.0.1"))
        loaded.outbound("default", "a.test")
    assert time.process_time() - begin < PATIENCE_S


def answers_or_says_why(data: bytes) -> None:
    """Text, NUL, words: every path of the console gets an answer in one line, or a reason."""
    text, _, path = data.partition(b"\0")
    loaded, _ = attempt(text)
    words = path.decode(errors="replace").split(" ")
    if loaded is not None:
        try:
            answer = str(evaluate(loaded.tree, words))
        except PathFault as fault:
            answer = str(fault)
        assert answer


def matches_in_time(data: bytes) -> None:
    """Expression, NUL, text: it is refused, or the search ends."""
    expression, _, text = data.decode(errors="replace").partition("\0")
    begin = time.process_time()
    try:
        pattern = compiled(expression)
    except ValueError as wrong:
        assert str(wrong)  # noqa: PT017 - a refusal without a reason helps nobody
    else:
        for subject in (text[:MATCHED], (text * MATCHED)[:MATCHED], (text[:1] * (MATCHED - 1)) + "!"):
            pattern.search(subject)
    assert time.process_time() - begin < PATIENCE_S


def attempt(data: bytes) -> tuple[Loaded | None, ConfigurationInvalid | None]:
    try:
        return load("main.conf", MemoryFiles({"main.conf": data})), None
    except ConfigurationInvalid as refusal:
        return None, refusal


def converts_to_the_same(data: bytes, before: Loaded) -> None:
    text = convert("main.conf", MemoryFiles({"main.conf": data}))
    after = load("main.conf", MemoryFiles({"main.conf": text}))
    assert unordered(after.tree) == unordered(before.tree)
    assert convert("main.conf", MemoryFiles({"main.conf": text})) == text


def unordered(scope: Scope) -> object:
    """The meaning of a tree without the order of options and of scopes."""
    settings = {name: bare(setting.value) for name, setting in scope.settings.items()}
    children = {key: unordered(child) for key, child in scope.children.items()}
    rules = [(unordered(rule.scope), rule.continues, rule.unites_relay_hosts) for rule in scope.acl]
    return scope.instance, settings, children, rules
