"""Recipients for whom a transaction had no more room: they go into the next one, and nothing has failed. Pure.

RFC 5321 §4.5.3.1.10: a server that takes no more recipients says 452 (old ones 552) to the rest, and takes the message
for those it has. 452 is said of a full disk or mailbox too; the enhanced code tells, and where there is none, the next
transaction does: whoever is turned away from one with nobody else in it was not one too many.
"""

from collections.abc import Sequence
from typing import Final

from momentum_node.smtp.reply import Reply
from momentum_node.smtp.stage import Stage

_STATUS: Final = {452: "4.5.3", 552: "5.5.3"}


def turned_away(replies: Sequence[Reply], stages: Sequence[Stage]) -> list[int]:
    """Numbers of the recipients to try again at once; none when the server took nobody. `stages`: of each reply."""
    if Stage.RCPT not in stages or all(stage is Stage.RCPT for stage in stages):
        return []
    answers = zip(replies, stages, strict=True)
    return [number for number, (one, stage) in enumerate(answers) if stage is Stage.RCPT and is_one_too_many(one)]


def is_one_too_many(answer: Reply) -> bool:
    """The reply to a RCPT says, or may say, that the transaction has all the recipients it can have."""
    status = _STATUS.get(answer.code)
    if answer.enhanced:
        return answer.enhanced == status
    return answer.code == 452 or (status is not None and "recipients" in answer.text.lower())
