"""What becomes of the messages of one block on the node that takes them. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from momentum_node.mmove.metadata import Block
from momentum_node.spool.marks import Mark, Verdict, raised
from momentum_node.spool.message import Outcome, Recipient, Result

Judge: TypeAlias = Callable[[str, float, int], Verdict]


@dataclass(frozen=True, slots=True)
class Intake:
    """Before the 250 all of it is durable; the messages that are in neither list are here already."""

    taken: tuple[Recipient, ...]
    tries: tuple[Outcome, ...]  # how often those were tried before
    raised: tuple[Mark, ...]
    trails: tuple[tuple[float, ...], ...]  # of those taken


def sort(
    block: Block,
    addresses: Sequence[str],
    judge: Judge,
    mark_of: Callable[[str], Mark | None],
    new_id: Callable[[], str],
) -> Intake | None:
    """Decide for each message; None: something of it is just changing, the sender is to come again."""
    taken: list[Recipient] = []
    tries: list[Outcome] = []
    higher: list[Mark] = []
    trails: list[tuple[float, ...]] = []
    for one, address in zip(block.messages, addresses, strict=True):
        verdict = judge(one.id, block.envelope.created, one.hop)
        if verdict is Verdict.BUSY:
            return None
        if verdict is Verdict.RAISE:
            known = mark_of(one.id)
            assert known is not None  # noqa: S101 - what is to be raised lies here
            higher.append(raised(known, one.hop))
        if verdict not in {Verdict.TAKE, Verdict.RENAME}:
            continue
        id_ = new_id() if verdict is Verdict.RENAME else one.id
        left = mark_of(one.id) if verdict is Verdict.TAKE else None
        awaited = () if left is None or left.created != block.envelope.created else left.awaits
        taken.append(Recipient(id_, address, one.binding, one.domain, one.hop, awaited))
        trails.append(one.trail)
        if one.retries or one.next_attempt:
            tries.append(Outcome(id_, Result.RETRY, one.retries, one.next_attempt, answer=one.answer))
    return Intake(tuple(taken), tuple(tries), tuple(higher), tuple(trails))
