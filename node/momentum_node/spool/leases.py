"""What delivery holds of the limits: a grant for each connection, leave for each message where a throttle is set.

A recalled connection ends after the message in hand, once it had its share; one that is idle ends at once.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from momentum_node import clock
from momentum_node import worker_link as wire
from momentum_node.limits.grants import Grant, Grants
from momentum_node.limits.rules import LimitRules
from momentum_node.smtp.outbound import Connection
from momentum_node.spool.line import Line

SHARE_MESSAGES: Final = 20
SHARE_S: Final = 2.0
DENIED_REST_S: Final = 0.4


class Leases:
    """All of one worker. `on_recall` is told a recalled connection; `on_turn` one that may begin a message now."""

    def __init__(
        self,
        send: Callable[[wire.Frame], None],
        on_recall: Callable[[Connection], None],
        on_turn: Callable[[Connection, bool], None],
    ) -> None:
        self.grants = Grants(send, self._recall)
        self._on_recall = on_recall
        self._on_turn = on_turn
        self._rules: LimitRules | None = None
        self._asking: dict[asyncio.Task[object], Line] = {}
        self._denied: dict[Line, float] = {}
        self._number: dict[Connection, int] = {}
        self._connection: dict[int, Connection] = {}
        self._since: dict[int, float] = {}
        self._recalled: set[int] = set()
        self._turns: dict[Connection, asyncio.Task[None]] = {}
        self._tokens: set[Connection] = set()

    def configure(self, rules: LimitRules) -> None:
        """Use this generation from now on."""
        self._rules = rules

    # -- connections

    def may_ask(self, line: Line) -> bool:
        """The core did not just say that this queue needs no more."""
        until = self._denied.get(line)
        if until is not None and until <= clock.monotonic():
            del self._denied[line]
            until = None
        return until is None

    async def connection(self, line: Line, hosts: tuple[str, ...]) -> Grant | None:
        """Wait for leave to open one; None: not now."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        self._asking[task], key = line, line.queue.key
        try:
            grant = await self.grants.connection(key.binding, key.domain, hosts, len(line.queue.active))
        finally:
            del self._asking[task]
        if grant is None:
            self._denied[line] = clock.monotonic() + DENIED_REST_S
        else:
            self._since[grant.number] = clock.monotonic()
        return grant

    def stop_asking_for_nothing(self) -> None:
        """Queues that are empty by now want no connection any more."""
        now = clock.monotonic()
        self._denied = {line: until for line, until in self._denied.items() if until > now}
        for task, line in list(self._asking.items()):
            if not line.queue.active:
                task.cancel()

    def heads(self, grant: Grant, address: str) -> None:
        """The grant is used for a connection to this address from now on."""
        self.grants.heads(grant.number, address)

    def opened(self, grant: Grant, connection: Connection) -> None:
        """The grant is this connection's until `closed`."""
        self._number[connection] = grant.number
        self._connection[grant.number] = connection

    def adopted(self, grant: Grant, connection: Connection) -> None:
        """A connection that has a grant serves another queue under this one from now on."""
        before = self._number.pop(connection, None)
        if before is not None:
            del self._connection[before]
            self._forget(before)
        self.heads(grant, connection.target.address)
        self.opened(grant, connection)

    def release(self, grant: Grant) -> None:
        """No connection came of it."""
        self._forget(grant.number)

    def closed(self, connection: Connection) -> None:
        """It is gone, and with it what it held."""
        number = self._number.pop(connection, None)
        if number is not None:
            del self._connection[number]
            self._forget(number)
        turn = self._turns.pop(connection, None)
        if turn is not None:
            turn.cancel()
        self._tokens.discard(connection)

    def _forget(self, number: int) -> None:
        self._since.pop(number, None)
        self._recalled.discard(number)
        self.grants.release(number)

    def must_end(self, connection: Connection) -> bool:
        """Others wait for what it holds, and it had its share."""
        number = self._number.get(connection, 0)
        if number not in self._recalled:
            return False
        return connection.delivered >= SHARE_MESSAGES or clock.monotonic() - self._since[number] >= SHARE_S

    def _recall(self, number: int) -> None:
        if number not in self._since:
            return
        self._recalled.add(number)
        connection = self._connection.get(number)
        if connection is not None:
            self._on_recall(connection)

    # -- messages

    def may_begin(self, line: Line, connection: Connection) -> bool:
        """A message may go out on it now. False: `on_turn` says when, and whether."""
        if self._rules is None or connection in self._tokens:
            return True
        rules = self._rules.of(line.queue.key.binding, line.queue.key.domain)
        if not rules.throttles or not rules.throttles_of("Messages"):
            return True
        if connection not in self._turns:
            self._turns[connection] = asyncio.get_running_loop().create_task(self._wait(line, connection))
        return False

    def begun(self, line: Line, connection: Connection, *, with_message: bool) -> None:
        """The turn was used, or there was nothing to send."""
        if connection in self._tokens:
            self._tokens.discard(connection)
            if not with_message:
                self.grants.unused(line.queue.key.binding, line.queue.key.domain)

    async def _wait(self, line: Line, connection: Connection) -> None:
        key = line.queue.key
        granted = await self.grants.message(key.binding, key.domain, len(line.queue.active))
        self._turns.pop(connection, None)
        if granted:
            self._tokens.add(connection)
        self._on_turn(connection, granted)
