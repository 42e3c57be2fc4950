"""Carries the workers' questions to those who decide, and the answers back: connections out, clients in."""

import asyncio
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Final

from momentum_node import worker_link as wire
from momentum_node.audit.desk import AuditDesk
from momentum_node.audit.windows import Audited
from momentum_node.clock import monotonic
from momentum_node.config.model import InboundAudit, Place
from momentum_node.config.tree import Scope
from momentum_node.limits.authority import Ask, Authority, Denied, Granted, Id
from momentum_node.limits.counters import Counts
from momentum_node.limits.decision import Explanation
from momentum_node.limits.remotes import Heads, Remotes
from momentum_node.limits.rules import LimitRules
from momentum_node.limits.sessions import Id as SessionId
from momentum_node.limits.sessions import Limits, OtherNodes, Sessions, read
from momentum_node.limits.turns import OPTION as TURN
from momentum_node.limits.turns import Turns
from momentum_node.log import logger
from momentum_node.replication.cidrtree import CidrTree

SETTLE_S: Final = 1.0
"""After its start a core grants nothing for so long: workers that hold connections of the one before say so first."""

WARN_EACH_S: Final = 60.0


class Desk:
    """One per core. `tell` sends a frame to the worker of a link."""

    def __init__(
        self,
        tell: Callable[[int, wire.Answer], None],
        others: Counts | None = None,
        other_nodes: OtherNodes | None = None,
    ) -> None:
        self._tell = tell
        self.sessions = Sessions(other_nodes)
        self.turns = Turns()
        self.audit = AuditDesk()
        self.remotes = Remotes()
        self._warned = float("-inf")
        self.authority = Authority(LimitRules(Scope(), lambda _at: Place("built-in", 1, 1)), others)
        self._early: list[tuple[int, wire.Question]] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def denials(self) -> dict[str, int]:
        """How often each option made a queue wait or turned a client away."""
        late = {TURN: self.turns.denials} if self.turns.denials else {}
        return {**self.authority.denials, **self.sessions.denials, **late}

    def open(self) -> None:
        """Workers come from now on; questions are kept until every one that was there before had time to report."""
        self._early = []
        asyncio.get_running_loop().call_later(SETTLE_S, self._begin)

    def close(self) -> None:
        """No answer any more."""
        self._early = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def configure(self, rules: LimitRules, audit: InboundAudit | None = None) -> None:
        """Decide, and count, by this generation from now on."""
        self.audit.configure(audit)
        self.authority.configure(rules, monotonic())
        self._speak()

    def hear(self, link: int, frame: wire.Question) -> None:
        """A worker asks or reports."""
        if isinstance(frame, wire.Holds | wire.Sessions | Heads | Audited):
            self._note(link, frame)
        elif self._early is not None:
            self._early.append((link, frame))
            return
        else:
            self._consider(link, frame, monotonic())
        self._speak()

    def _note(self, link: int, frame: wire.Holds | wire.Sessions | Heads | Audited) -> None:
        match frame:
            case wire.Holds(number, binding, domain, host):
                self.authority.restore(Id(link, number), binding, domain, host)
            case wire.Sessions(arrived, left):
                self._count(link, arrived, left)
            case Heads(number, binding, address):
                self.remotes.heads(SessionId(link, number), binding, ip_address(address))
            case Audited():
                self.audit.hear(frame)

    def _consider(self, link: int, frame: wire.Question, now: float) -> None:
        match frame:
            case wire.Ask(number, binding, domain, hosts, active, wants_token):
                ask = Ask(Id(link, number), binding, domain, tuple(hosts), active, wants_token)
                self.authority.ask(ask, now)
            case wire.Withdraw(number):
                self.authority.withdraw(Id(link, number), now)
                self.remotes.left(SessionId(link, number))
            case wire.Unused(number, binding, domain):
                self.authority.give_back(binding, domain, "Messages", now)
            case wire.Knock():
                self._tell(link, self._judged(link, frame, now))
            case wire.Turn(number, counter, most, window_s):
                wait_s = self.turns.wait_s(counter, most, window_s, now)
                self._tell(link, wire.YourTurn(number, -1.0 if wait_s is None else wait_s))

    def gone(self, link: int) -> None:
        """A worker's link ended."""
        if self._early is not None:
            self._early = [(one, frame) for one, frame in self._early if one != link]
        self.authority.gone(link, monotonic())
        self.sessions.gone(link)
        self.remotes.gone(link)
        self._speak()

    def explain(self, binding: str, domain: str, host: str | None) -> Explanation:
        """Why a queue may, or may not, open one more connection now."""
        return self.authority.explain(binding, domain, host, monotonic())

    def tree(self, service: str) -> CidrTree:
        """Open connections of `SMTP`, `outbound`, or `outbound/BINDING`. Raises `ValueError` for anything else."""
        kind, slash, binding = service.partition("/")
        match kind.lower(), slash:
            case "smtp", "":
                return self.sessions.tree
            case "outbound", "":
                return self.remotes.everywhere
            case "outbound", "/":
                return self.remotes.of(binding)
        raise ValueError(f"'{service}' is not counted here: ask for SMTP, outbound or outbound/BINDING")

    def _count(self, link: int, arrived: Iterable[tuple[int, str, str]], left: Iterable[int]) -> None:
        for number, session in read(arrived):
            self.sessions.arrived(SessionId(link, number), session)
        for number in left:
            self.sessions.left(SessionId(link, number))

    def _judged(self, link: int, knock: wire.Knock, now: float) -> wire.Verdict:
        ((number, session),) = read([(knock.number, knock.client, knock.listener)])
        option = self.sessions.knock(SessionId(link, number), session, Limits(*knock.limits))
        if self.sessions.is_blind and now - self._warned >= WARN_EACH_S:
            self._warned = now
            logger().warning("cut off from the cluster: limits of all nodes compare this node's own count")
        return wire.Admitted(number) if option is None else wire.Refused(number)

    def _begin(self) -> None:
        early, self._early = self._early, None
        for link, frame in early or ():
            self.hear(link, frame)

    def _tick(self) -> None:
        self._timer = None
        self.authority.tick(monotonic())
        self._speak()

    def _speak(self) -> None:
        for effect in self.authority.effects():
            match effect:
                case Granted(id_, host):
                    self._tell(id_.worker, wire.Granted(id_.number, host))
                case Denied(id_, why):
                    self._tell(id_.worker, wire.Denied(id_.number, why))
                case _:
                    self._tell(effect.id.worker, wire.Recalled(effect.id.number))
        due = self.authority.next_timer()
        if due is None:
            return
        delay = max(0.0, due - monotonic())
        loop = asyncio.get_running_loop()
        if self._timer is None or self._timer.when() > loop.time() + delay:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = loop.call_later(delay, self._tick)
