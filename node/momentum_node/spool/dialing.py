"""Making one connection for a queue: where to, with whose leave, to which address of the best host that takes it."""

from collections import defaultdict

from momentum_node import clock
from momentum_node.config.model import Address, OutboundOptions
from momentum_node.limits.grants import Grant
from momentum_node.smtp.outbound import CONNECT_TIMED_OUT, Connection, Owner
from momentum_node.smtp.reply import Reply, reply
from momentum_node.smtp.resolver import Resolver
from momentum_node.smtp.routes import NoRoute, Target, choose
from momentum_node.spool.leases import Leases
from momentum_node.spool.line import Line, Way

NO_CONNECTION = reply(451, "4.4.1", "[internal] No valid hosts (unable to make any connections)")


class Dialer:
    """Remembers which next hops failed lately, and how many connections each has."""

    def __init__(self, owner: Owner, resolver: Resolver, leases: Leases) -> None:
        self._owner = owner
        self._resolver = resolver
        self._leases = leases
        self._resting: dict[str, float] = {}  # next hop address → until when
        self._open_to: defaultdict[str, int] = defaultdict(int)

    def tick(self, now: float) -> None:
        """Forget failures that are over. `now`: wall clock."""
        self._resting = {address: until for address, until in self._resting.items() if until > now}

    def rest(self, target: Target, options: OutboundOptions) -> None:
        """A next hop failed: leave it alone for a while."""
        self._resting[target.address] = clock.wall() + options.host_failure_retry_s

    def closed(self, connection: Connection) -> None:
        """A connection that `dial` made is gone."""
        address = connection.target.address
        self._open_to[address] -= 1
        if not self._open_to[address]:
            del self._open_to[address]

    async def dial(self, line: Line, way: Way, ehlo_name: str) -> Connection | NoRoute | Reply | None:
        """A connection; or that there is no route; or why no host takes one; or None: no leave to open one.

        Raises `SourceMissing`.
        """
        source, gateway, port = way
        found = await self._resolver.targets(gateway or line.queue.key.domain, port, gateway is not None)
        if isinstance(found, NoRoute):
            return found
        why, tried = NO_CONNECTION, set[str]()
        while targets := self._left(found, source, tried):
            grant = await self._leases.connection(line, tuple(dict.fromkeys(target.host for target in targets)))
            if grant is None:
                return None
            there = [target for target in targets if target.host == grant.host]
            tried.update(target.address for target in there)
            made = await self._with_grant(line, source, grant, there, ehlo_name)
            if isinstance(made, Connection):
                return made
            why = made
        return why

    def _left(self, found: list[Target], source: Address | None, tried: set[str]) -> list[Target]:
        families = frozenset({4, 6} if source is None else {source.version})
        usable = choose(found, self._resting, self._open_to, families, clock.wall())
        return [target for target in usable if target.address not in tried]

    async def _with_grant(
        self, line: Line, source: Address | None, grant: Grant, targets: list[Target], ehlo_name: str
    ) -> Connection | Reply:
        """Use a grant for the first of these addresses that takes it; else why the last did not."""
        options, why, is_used = line.options, NO_CONNECTION, False
        try:
            for target in targets:
                connection = Connection(self._owner, target, options, ehlo_name)
                failure = await _attempt(connection, source)
                if failure is None:
                    is_used = True
                    self._open_to[target.address] += 1
                    self._leases.opened(grant, connection)
                    return connection
                why = failure
                self.rest(target, options)
        finally:
            if not is_used:
                self._leases.release(grant)
        return why


async def _attempt(connection: Connection, source: Address | None) -> Reply | None:
    """Connect; None: it did, else why not. Raises `SourceMissing`."""
    try:
        await connection.open(source)
    except TimeoutError:
        return CONNECT_TIMED_OUT
    except OSError as error:
        return reply(451, "4.4.1", f"[internal] {connection.target.address}: {error.strerror or error}")
    return NO_CONNECTION if connection.is_closed else None
