"""Puts together what the kernel can do together: the records of many addresses, asked for one address at a time. Pure.

    asked   add a, announce a, add b, announce b        done   add a b, announce a b

What concerns one address is done in the order in which it was asked for; what concerns none waits for all before it.
"""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from momentum_node.duravip.records import Kind, Record

Batch: TypeAlias = tuple[Kind, list[Record]]


def batches(records: Iterable[Record]) -> Iterator[Batch]:
    """Every record once, in batches of one kind."""
    steps: list[dict[Kind, list[Record]]] = []  # the first record of each address, the second of each, …
    asked: dict[bytes, int] = {}
    for record in records:
        if not record.address:
            yield from _flat(steps)
            steps, asked = [], {}
            yield record.kind, [record]
            continue
        step = asked.get(record.address, 0)
        asked[record.address] = step + 1
        if step == len(steps):
            steps.append({})
        steps[step].setdefault(record.kind, []).append(record)
    yield from _flat(steps)


def _flat(steps: list[dict[Kind, list[Record]]]) -> Iterator[Batch]:
    for kinds in steps:
        yield from kinds.items()
