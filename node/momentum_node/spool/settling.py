"""What a reply means for a message: delivered, tried again later, or failed and bounced.

Nothing leaves the queues but from here, and each end is recorded. A crash can lose the newest records, so a message
may go out twice; it cannot be lost, because it stays in the spool until its end is durable.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Final

from momentum_node import clock
from momentum_node.config.model import OutboundOptions
from momentum_node.errors import SpoolError
from momentum_node.smtp.reply import Reply
from momentum_node.smtp.stage import Stage
from momentum_node.smtp.trace import date_text
from momentum_node.spool.activelist import ActiveList
from momentum_node.spool.bounce import Failure, build, headers_of
from momentum_node.spool.classification import Classifier
from momentum_node.spool.message import (
    Answer,
    Envelope,
    Message,
    Outcome,
    Recipient,
    Result,
    Stored,
    Transaction,
    answer_of,
)
from momentum_node.spool.schedule import GIVEN_UP, GiveUp, Retry, Untried, after_failure
from momentum_node.spool.store import Store
from momentum_node.spool.telling import Hop, Teller

MAX_RETURNED_BYTES: Final = 131_072  # larger messages come back as their headers only
UNTRIED_A_TICK: Final = 500
"""So many fail in one go of mail that is not tried: a backlog that grew too old may have a million messages."""
SWEPT_AT_ONCE: Final = 250
SPOOL_REST_S: Final = 60.0
"""A message that the disk does not give, or whose end it does not take, waits this long."""


@dataclass(slots=True)
class _Sweep:
    """`left` messages of a queue are still to fail."""

    active: ActiveList
    why: Reply
    options: OutboundOptions
    found: Answer | None
    left: int


class Settling:
    """`deliver` takes new messages (bounces), `requeue` those that are to be tried again later."""

    def __init__(
        self,
        stores: Mapping[int, Store],
        deliver: Callable[[Message], None],
        requeue: Callable[[Message], object],
        teller: Teller,
    ) -> None:
        self.delivered = 0
        self.failed = 0
        self.leaves_by: Callable[[str], str] = lambda binding: binding
        """By which binding a bounce leaves when mail of this one waited to its end."""
        self.classifier = Classifier()
        self.by_class: Counter[int] = Counter()  # refusals, final or not
        self._room = UNTRIED_A_TICK
        self._stores = stores
        self._teller = teller
        self._hostname = ""
        self._deliver = deliver
        self._requeue = requeue
        self._swept: set[ActiveList] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def configure(self, hostname: str) -> None:
        """Bounces come from this host from now on."""
        self._hostname = hostname

    def settle(
        self,
        message: Message,
        answer: Reply,
        options: OutboundOptions,
        hop: Hop | None = None,
        stage: Stage | None = None,
    ) -> None:
        """Act on the last word about a message. `hop`: the connection that it came on, after `stage`; None: ours."""
        if answer.is_positive:
            self.delivered += 1
            self._teller.delivered(message, answer, hop, self._stores[message.home].new_id)
            self._stores[message.home].record(message, Outcome(message.id, Result.DELIVERED, message.retries))
        elif answer.is_permanent:
            self._fail(message, answer, options, hop, stage)
        else:
            message.learn(_answer(answer, hop))
            verdict = after_failure(message, options, clock.wall())
            if isinstance(verdict, GiveUp):
                self._fail(message, verdict.reply, options, hop, stage)
            else:
                self._tell(message, answer, hop, stage, is_final=False)
                self._retry(message, verdict)

    def tick(self) -> None:
        """More may be dropped now."""
        self._room = UNTRIED_A_TICK

    def drop(self, active: ActiveList, some: Untried | None, options: OutboundOptions) -> bool:
        """Those that are not tried fail, not too many at once. Returns whether the first that is left may be tried.

        At least one fails: a queue in which nothing is tried grows no longer than it is.
        """
        if some is None:
            return True
        for message in active.take_older(some.before, max(1, self._room)):
            self._room -= 1
            self.settle(message, some.reply, options)
        return not active or active.first.envelope.created > some.before

    def sweep(
        self, active: ActiveList, why: Reply | None, options: OutboundOptions, found: Answer | None = None
    ) -> None:
        """All active messages of a queue fail alike, if there is a reason. `found`: what is behind it.

        Of a long queue the first now, the others soon; not those that come meanwhile.
        """
        if why is None or active in self._swept:
            return
        sweep = _Sweep(active, why, options, found, len(active))
        self._sweep_some(sweep)
        if sweep.left:
            self._swept.add(active)
            self._spawn(self._sweep_on(sweep))

    def _sweep_some(self, sweep: "_Sweep") -> None:
        for _ in range(min(SWEPT_AT_ONCE, sweep.left, len(sweep.active))):
            message = sweep.active.popleft()
            if sweep.found is not None:
                message.learn(sweep.found)
            self.settle(message, sweep.why, sweep.options)
        sweep.left = max(0, min(sweep.left - SWEPT_AT_ONCE, len(sweep.active)))

    async def _sweep_on(self, sweep: "_Sweep") -> None:
        try:
            while sweep.left:
                await asyncio.sleep(0)
                self._sweep_some(sweep)
        finally:
            self._swept.discard(sweep.active)

    def _tell(self, message: Message, why: Reply, hop: Hop | None, stage: Stage | None, *, is_final: bool) -> None:
        class_ = self.classifier.classify(why, message.domain, is_final=is_final)
        self.by_class[class_] += 1
        new_id = self._stores[message.home].new_id
        self._teller.refused(message, why, hop, new_id, stage=stage, classification=class_, is_final=is_final)

    def rest(self, message: Message) -> None:
        """Look at it again later, without counting a try."""
        self._retry(message, Retry(clock.wall() + SPOOL_REST_S, message.retries))

    def _retry(self, message: Message, verdict: Retry) -> None:
        message.retries, message.next_attempt = verdict.retries, verdict.at
        outcome = Outcome(message.id, Result.RETRY, verdict.retries, verdict.at, answer=message.answer)
        self._stores[message.home].record(message, outcome)
        self._requeue(message)

    def _fail(
        self, message: Message, why: Reply, options: OutboundOptions, hop: Hop | None, stage: Stage | None
    ) -> None:
        self.failed += 1
        self._tell(message, why, hop, stage, is_final=True)
        if not (message.envelope.sender and options.generate_bounces):
            outcome = Outcome(message.id, Result.FAILED, message.retries)
            self._stores[message.home].record(message, outcome)
            return
        cause = message.answer if why in GIVEN_UP else _answer(why, hop)
        self._spawn(self._bounce(message, why, cause, options))

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _bounce(self, message: Message, why: Reply, cause: Answer | None, options: OutboundOptions) -> None:
        """The bounce and the end of the message that it reports become durable together, or not at all."""
        store = self._stores[message.home]
        try:
            content = await store.read(message)
        except (OSError, SpoolError):
            content = b""
        returns = options.bounces_inline_original
        if returns == "all" and len(content) > MAX_RETURNED_BYTES:
            returns = "headers"
        original = content if returns == "all" else headers_of(content)
        transaction = self._dsn(
            store, Failure(message, why, original, self._hostname, cause, returns, options.mailer_daemon)
        )

        def kept(stored: Stored | None) -> None:
            if stored is None:
                self.rest(message)
                return
            store.release(message)
            (one,) = transaction.recipients
            bounce = Message(one.id, transaction.envelope, one.address, one.binding, one.domain, stored, store.index)
            self._teller.received([bounce])
            self._deliver(bounce)

        store.keep(transaction, None, kept)

    def _dsn(self, store: Store, failure: Failure) -> Transaction:
        message, now, id_ = failure.message, clock.wall(), store.new_id()
        sender = message.envelope.sender
        content = build(failure, id_, date_text(now), date_text(message.envelope.created))
        envelope = Envelope(
            created=now,
            sender="",
            size=len(content),
            eight_bit=not content.isascii(),
            smtputf8=not sender.isascii(),
            protocol="internal",
            message_id=f"<{id_.replace('/', '-')}@{self._hostname}>",
        )
        binding = self.leaves_by(message.binding) if failure.why in GIVEN_UP else message.binding
        recipient = Recipient(id_, sender, binding, sender.rpartition("@")[2].lower())
        outcome = Outcome(message.id, Result.FAILED, message.retries)
        return Transaction(envelope, (recipient,), content, completes=(outcome,))


def _answer(given: Reply, hop: Hop | None) -> Answer:
    return answer_of("" if hop is None else hop.target.host, given)
