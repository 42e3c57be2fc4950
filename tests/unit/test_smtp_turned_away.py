"""Which recipients go into the next transaction, and which have failed for now."""

import pytest

from momentum_node.smtp.reply import Reply, reply
from momentum_node.smtp.stage import Stage
from momentum_node.smtp.turnedaway import is_one_too_many, turned_away

TAKEN, FULL = reply(250, "2.0.0", "taken"), reply(452, "4.5.3", "too many recipients")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (FULL, True),
        (reply(452, "", "Too many recipients"), True),
        (reply(552, "5.5.3", "too many"), True),
        (reply(552, "", "too many recipients"), True),
        (reply(452, "4.2.2", "mailbox full"), False),
        (reply(452, "4.3.1", "disk full"), False),
        (reply(552, "5.2.2", "mailbox full"), False),
        (reply(552, "", "mailbox full"), False),
        (reply(450, "4.5.3", "too many recipients"), False),
        (reply(550, "5.1.1", "no such user"), False),
    ],
)
def test_too_many_is_told_from_other_reasons(answer: Reply, expected: bool) -> None:
    assert is_one_too_many(answer) == expected


def test_the_rest_goes_next_when_the_server_took_some() -> None:
    unknown = reply(550, "5.1.1", "no such user")
    stages = (Stage.DOT, Stage.RCPT, Stage.RCPT, Stage.RCPT)
    assert turned_away((TAKEN, unknown, FULL, FULL), stages) == [2, 3]


def test_also_when_the_message_was_refused_for_those_it_took() -> None:
    assert turned_away((reply(554, "5.6.0", "no"), FULL), (Stage.DOT, Stage.RCPT)) == [1]


def test_a_server_that_takes_nobody_is_full_and_not_asked_again_at_once() -> None:
    assert turned_away((FULL, FULL), (Stage.RCPT, Stage.RCPT)) == []


def test_what_is_no_answer_to_rcpt_is_a_failure() -> None:
    assert turned_away((reply(452, "", "disk full"),), (Stage.DOT,)) == []
