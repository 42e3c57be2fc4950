"""Calls of Corosync's libraries that may block for ever, in daemon threads: a frozen daemon keeps no process alive."""

import _thread
import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from momentum_node.errors import BusError

_T = TypeVar("_T")


def begin_thread(call: Callable[[], object]) -> None:
    """Run `call` in a thread that nobody waits for, not even until it runs.

    `threading.Thread.start` does: on a busy machine the loop stood still for 70 ms, in the middle of a failover.
    """
    _thread.start_new_thread(call, ())


async def in_thread(
    what: str, call: Callable[[], _T], timeout_s: float, *, abandon: Callable[[_T], None] | None = None
) -> _T:
    """The result of `call`. Raises what it raises, and `BusError` when it takes longer than `timeout_s`.

    `abandon` is given a result that nobody waits for any more.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[_T] = loop.create_future()

    def succeed(value: _T) -> None:
        if not result.done():
            result.set_result(value)
        elif abandon is not None:
            abandon(value)

    def fail(error: BusError) -> None:
        if not result.done():
            result.set_exception(error)

    def run() -> None:
        try:
            outcome = partial(succeed, call())
        except BusError as error:
            outcome = partial(fail, error)
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: the process ends
            loop.call_soon_threadsafe(outcome)

    begin_thread(run)
    try:
        return await asyncio.wait_for(result, timeout_s)
    except TimeoutError:
        raise BusError(f"{what}: Corosync does not answer within {timeout_s:g} s (frozen, or still forming)") from None
