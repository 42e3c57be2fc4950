"""What a refusal means: built-in classes, and files that come before them."""

from pathlib import Path

import pytest

from momentum_node.errors import ConfigurationError
from momentum_node.smtp.reply import reply
from momentum_node.spool.classes import classifier_of
from momentum_node.spool.classification import Classifier, parse_rules
from tests.support.configuration import loaded


@pytest.mark.parametrize(
    ("code", "status", "text", "wanted"),
    [
        (550, "5.1.1", "who?", 10),
        (452, "4.2.2", "later", 22),
        (552, "", "message size exceeds", 23),
        (552, "5.3.4", "no", 23),
        (554, "5.4.4", "[internal] Domain Lookup Failed", 21),
        (554, "5.4.7", "[internal] exceeded max time without delivery", 24),
        (450, "4.4.1", "[internal] Connection Timed Out", 24),
        (554, "5.7.0", "[internal] Message manually purged", 25),
        (550, "5.7.1", "relaying denied", 54),
        (550, "5.7.1", "your reputation is bad", 51),
        (550, "5.7.26", "unauthenticated", 50),
        (550, "", "No such user here", 10),
        (550, "", "go away", 40),
        (451, "", "busy", 70),
    ],
)
def test_the_built_in_table(code: int, status: str, text: str, wanted: int) -> None:
    assert Classifier().classify(reply(code, status, text), "y.test", is_final=False) == wanted


def test_what_is_given_up_for_no_clear_reason_is_a_soft_bounce() -> None:
    assert Classifier().classify(reply(451, "", "busy"), "y.test", is_final=True) == 20


def test_files_come_first_by_domain_and_with_wildcards() -> None:
    rules = parse_rules("# mine\ny.test,51,go|away\n,10,Nobody\n", "a.ovr")
    classifier = Classifier(rules)
    assert classifier.classify(reply(550, "5.1.1", "GO far AWAY"), "y.test", is_final=True) == 51
    assert classifier.classify(reply(550, "5.1.1", "away go"), "y.test", is_final=True) == 10
    assert classifier.classify(reply(550, "", "go away"), "z.test", is_final=True) == 40
    assert classifier.classify(reply(550, "5.7.1", "nobody home"), "z.test", is_final=True) == 10


@pytest.mark.parametrize("line", ["y.test,51", ",99,x", "x,ten,y", ",10,"])
def test_a_bad_line_is_named(line: str) -> None:
    with pytest.raises(ConfigurationError, match=r"a\.ovr:2:1"):
        parse_rules(f"\n{line}", "a.ovr")


def test_files_that_the_configuration_names_are_read_and_a_bad_one_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("y.test,51,go away\n")
    (tmp_path / "bad").write_text("y.test,99,go away\n")
    names = " ".join(f'"{tmp_path}/{name}"' for name in ("bad", "missing", "mine"))
    classifier = classifier_of(loaded(f"Bounce_Classifications = ( {names} )"))
    assert classifier.classify(reply(550, "", "go away"), "y.test", is_final=True) == 51
    assert classifier_of(loaded("")).classify(reply(550, "", "go away"), "y.test", is_final=True) == 40
