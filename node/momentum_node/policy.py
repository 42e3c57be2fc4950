"""The policy hook: a Python file of the user's that chooses bindings.

    # policy.py, named by `Policy_File`
    from momentum_node.policy import Message, Session

    def assign(message: Message, session: Session) -> str | None:
        '''The name of a binding or of a group, or None to let the rules decide.'''
        return "bulk" if message.header("Precedence") == "bulk" else None

`assign` runs in a thread of the mail worker, after DATA and before the message is stored. Whatever it does, the
message goes on: an exception, an answer of another kind, or no answer within `Policy_Timeout` leaves the choice to the
rules. Such failures are counted, and logged once a minute. While calls hang, `assign` is not called.
"""

import asyncio
import runpy
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from momentum_node.clock import monotonic
from momentum_node.errors import ConfigurationError
from momentum_node.log import logger
from momentum_node.spool.choice import Arrival

TIMEOUT_S: Final = 1.0
MOST_HANGING: Final = 4  # threads that one file may keep
LOG_INTERVAL_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one recipient."""

    _arrival: Arrival

    @property
    def sender(self) -> str:
        """The envelope sender; "" for a bounce."""
        return self._arrival.sender

    @property
    def recipient(self) -> str:
        """The envelope recipient."""
        return self._arrival.recipient

    def header(self, name: str) -> str | None:
        """The first header of that name, unfolded; None when there is none."""
        return next(iter(self.headers(name)), None)

    def headers(self, name: str) -> list[str]:
        """All headers of that name, unfolded, from the top."""
        return self._arrival.headers(name)


@dataclass(frozen=True, slots=True)
class Session:
    """The session that the message came in."""

    client_address: str
    local_address: str
    local_port: int
    context: Mapping[str, str] = field(default_factory=dict)
    """What `Context` and trusted clients have set, and auth_user, auth_status, ehlo_domain, can_relay, pathway, tls and
    more, as the logs have them."""


Assign = Callable[[Message, Session], object]


class Policy:
    """One file. Raises `ConfigurationError` when it cannot be read or has no `assign`."""

    def __init__(self, path: Path, timeout_s: float = TIMEOUT_S) -> None:
        self.failures = 0
        self._path = path
        self._timeout_s = timeout_s
        self._assign = _load(path)
        self._threads = ThreadPoolExecutor(MOST_HANGING, "policy")
        self._hanging = 0
        self._said = float("-inf")

    async def assign(self, arrival: Arrival) -> str | None:
        """What the file chooses; None when it leaves the choice, or fails."""
        if self._hanging >= MOST_HANGING:
            self._failed("all its threads hang")
            return None
        local = str(arrival.received_on or "")
        session = Session(str(arrival.client or ""), local, arrival.received_port, dict(arrival.context))
        call = asyncio.get_running_loop().run_in_executor(self._threads, self._assign, Message(arrival), session)
        done, _ = await asyncio.wait({call}, timeout=self._timeout_s)
        if not done:
            self._hanging += 1
            call.add_done_callback(self._came_back)
            self._failed(f"no answer within {self._timeout_s:g} s")
            return None
        error = call.exception()
        if error is not None:
            self._failed(f"{type(error).__name__}: {error}")
            return None
        answer = call.result()
        if answer is None or isinstance(answer, str):
            return answer
        self._failed(f"it returned {type(answer).__name__}, not a name or None")
        return None

    def close(self) -> None:
        """Take no further call; a thread that hangs is left behind."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _came_back(self, call: "asyncio.Future[object]") -> None:
        self._hanging -= 1
        if not call.cancelled():
            call.exception()  # looked at: its time is over anyway

    def _failed(self, why: str) -> None:
        self.failures += 1
        now = monotonic()
        if now - self._said >= LOG_INTERVAL_S:
            self._said = now
            logger().error(
                "the policy failed; the rules decide", file=str(self._path), reason=why, failed=self.failures
            )


def _load(path: Path) -> Assign:
    try:
        names: dict[str, Any] = runpy.run_path(str(path), run_name="momentum_policy")
    except (Exception, SystemExit) as error:  # the file is the user's: anything may happen in it
        raise ConfigurationError(f"Policy_File {path}: {type(error).__name__}: {error}") from None
    assign: Assign | None = names.get("assign")
    if assign is None or not callable(assign):
        raise ConfigurationError(f"Policy_File {path} defines no function assign(message, session)")
    return assign
