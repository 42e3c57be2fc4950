"""What a bounce says of a message that was given up: the last answer of the other side, for people and for programs."""

from email import message_from_bytes
from email.message import Message as Parsed

import pytest

from momentum_node.mmove.intake import sort
from momentum_node.mmove.metadata import Block, Passenger, decode, encode
from momentum_node.smtp.hosts import NO_CONNECTION
from momentum_node.smtp.reply import Reply, reply
from momentum_node.spool.bounce import Failure, build
from momentum_node.spool.marks import Verdict
from momentum_node.spool.message import Answer, Envelope, Message, Outcome, Place, Result, Stored, answer_of
from momentum_node.spool.records import decode_outcomes, encode_outcomes
from momentum_node.spool.schedule import TOO_MANY_RETRIES

GREYLISTED = answer_of("mx.y.test", reply(450, "4.2.0", "greylisted,", "come again"))
REFUSED = answer_of("mx.y.test", reply(451, "4.4.1", "[internal] 192.0.2.1: Connection refused"))
NOBODY = answer_of("", NO_CONNECTION)


def message() -> Message:
    stored = Stored(Place(0, 0, 0, 0), None, {"1"}, 1)
    return Message("1", Envelope(0.0, "a@x.test", 1), "b@y.test", "default", "y.test", stored, 0)


def bounce(why: Reply, cause: Answer | None) -> tuple[str, Parsed]:
    """The text for people, and the fields of the recipient."""
    made = build(Failure(message(), why, b"Subject: x\r\n", "mx.test", cause), "1", "today", "yesterday")
    found = list(message_from_bytes(made).walk())
    human = next(one for one in found if one.get_content_type() == "text/plain")
    return str(human.get_payload()), next(one for one in found if "Final-Recipient" in one)


def test_a_message_that_was_given_up_says_what_the_server_said_last() -> None:
    human, fields = bounce(TOO_MANY_RETRIES, GREYLISTED)
    assert "554 5.4.7 [internal] exceeded max retries without delivery" in human
    assert "The last answer of mx.y.test was:\r\n\r\n    450 4.2.0 greylisted, come again" in human
    assert fields["Remote-MTA"] == "dns; mx.y.test"
    assert fields["Diagnostic-Code"] == "smtp; 450 4.2.0 greylisted, come again"
    assert (fields["Action"], fields["Status"]) == ("failed", "4.2.0")


def test_where_nobody_was_reached_it_says_that() -> None:
    human, fields = bounce(TOO_MANY_RETRIES, NOBODY)
    assert "What came of the last attempt:\r\n\r\n    451 4.4.1 [internal] No valid hosts" in human
    assert "Remote-MTA" not in fields
    assert fields["Status"] == "4.4.1"


def test_where_nothing_is_known_it_says_that_we_gave_up() -> None:
    human, fields = bounce(TOO_MANY_RETRIES, None)
    assert "last" not in human
    assert (fields["Status"], fields["Diagnostic-Code"]) == ("5.4.7", f"smtp; {TOO_MANY_RETRIES.text}")


def test_a_refusal_is_told_once() -> None:
    why = reply(550, "", "no such user")
    human, fields = bounce(why, answer_of("mx.y.test", why))
    assert human.count("no such user") == 1
    assert (fields["Status"], fields["Remote-MTA"]) == ("5.0.0", "dns; mx.y.test")


@pytest.mark.parametrize(
    ("before", "found", "kept"),
    [(None, NOBODY, NOBODY), (NOBODY, REFUSED, REFUSED), (REFUSED, GREYLISTED, GREYLISTED),
     (GREYLISTED, REFUSED, GREYLISTED), (REFUSED, NOBODY, REFUSED)],
)  # fmt: skip
def test_what_a_server_said_is_not_forgotten_for_what_we_found(
    before: Answer | None, found: Answer, kept: Answer
) -> None:
    one = message()
    one.answer = before
    one.learn(found)
    assert one.answer is kept


def test_it_is_kept_with_the_retry_and_short() -> None:
    long = answer_of("mx", reply(450, "", "x" * 9999))
    outcomes = (
        Outcome("1", Result.RETRY, 2, 3.0, answer=GREYLISTED),
        Outcome("2", Result.RETRY, 2, 3.0, hop=7, answer=long),
        Outcome("3", Result.RETRY, 1, 3.0),
        Outcome("4", Result.DELIVERED, hop=2),
    )
    data = encode_outcomes(outcomes)
    assert decode_outcomes(data) == outcomes
    assert len(data) < 700
    assert decode_outcomes(data)[0].answer is GREYLISTED  # a million messages of one host share it


def test_it_moves_with_the_message() -> None:
    passengers = (Passenger("1", 1, 3, 99.5, "b", "y.test", (), GREYLISTED), Passenger("2", 1, 0, 0.0, "b", "y.test"))
    block = Block(Envelope(1000.0, "a@x.test", 9), passengers)
    assert decode(encode(block), "a@x.test") == block
    intake = sort(block, ("b@y.test", "c@y.test"), lambda *_: Verdict.TAKE, lambda _id: None, lambda: "new")
    assert intake is not None
    assert intake.tries == (Outcome("1", Result.RETRY, 3, 99.5, answer=GREYLISTED),)
    unheard = Block(block.envelope, passengers[1:])
    assert b"answers" not in encode(unheard)
    assert decode(encode(unheard), "a@x.test") == unheard
