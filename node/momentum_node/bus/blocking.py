"""Calls of Corosync's libraries that may block for ever, in daemon threads: a frozen daemon keeps no process alive."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from momentum_node.errors import BusError

_T = TypeVar("_T")


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

    threading.Thread(target=run, name=what, daemon=True).start()
    try:
        return await asyncio.wait_for(result, timeout_s)
    except TimeoutError:
        raise BusError(f"{what}: Corosync does not answer within {timeout_s:g} s (frozen, or still forming)") from None
