"""Keeps the search for garbage short, however much lives (gc).

The search for reference cycles walks through everything that a process has: with a million queued messages it stops the
loop for seconds, again and again while they come in. So what survived one long search is not looked through any more.
The price: what was part of a cycle then, and is given up later, stays until the process ends. That is little, and it
does not grow: only a heap that grew makes the next search long.

And it begins more rarely: where a thousand addresses come at once, each with a task, futures and frames, all of them
live until they are served, and half of the processor went into walks through the young among them.
"""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from momentum_node.clock import monotonic

YOUNG: Final = 50_000  # more of these than a moment ago: only then is there a search; Python's own number is 700
LONG_S: Final = 0.01
OLDEST: Final = 2  # the generation whose search walks through everything


class _Searches:
    """Told of each search by `gc.callbacks`."""

    def __init__(self) -> None:
        self._began = 0.0
        self.growing = 0

    def __call__(self, phase: str, info: Mapping[str, int]) -> None:
        if phase == "start":
            self._began = monotonic()
        elif info["generation"] == OLDEST and monotonic() - self._began > LONG_S:
            gc.freeze()


_searches: Final = _Searches()


def keep_searches_short() -> None:
    """From now on in this process. To be called when everything is imported."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 10, 10)
    if _searches not in gc.callbacks:
        gc.callbacks.append(_searches)


@contextmanager
def nothing_is_garbage() -> Iterator[None]:
    """While much is made that stays there is no search at all. May be entered by several at a time."""
    _searches.growing += 1
    gc.disable()
    try:
        yield
    finally:
        _searches.growing -= 1
        if not _searches.growing:
            gc.freeze()
            gc.enable()
