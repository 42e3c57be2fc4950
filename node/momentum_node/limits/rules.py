"""Which limits and throttles apply to (binding, domain), read from one generation. Pure.

All limits apply together. Two replace another: `Scope_Max_Outbound_Connections` in the global scope stands for
`Server_Max_Outbound_Connections`, and in Binding::Domain for `Max_Outbound_Connections`; the cluster pair likewise.
What a `Scope_Max` counts is decided by the scope in which it was found, nearest first (configuration §9).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from momentum_node.config.merge import is_regex
from momentum_node.config.model import Place
from momentum_node.config.stanzas import Container, Containers
from momentum_node.config.tree import Scope, Setting
from momentum_node.config.values import Throttle
from momentum_node.limits.counters import Counter

SERVER_MAX: Final = 20_000
SERVER_RESERVE: Final = 200
MAX_OUTBOUND: Final = 32
AGGRESSIVENESS: Final = 0.3  # Connection_Allocation_Aggressiveness = normal
RESERVE_INTERVAL_S: Final = 15.0
MOST_CACHED: Final = 65_536
HOSTS: Final = Counter(host="*")
"""Every connection counts here: who waits for a host is looked at when any connection ends."""
THROTTLES: Final = tuple(
    f"{prefix}Outbound_Throttle_{what}" for what in ("Connections", "Messages") for prefix in ("", "Cluster_")
)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `value` connections under `counter`; `place` None: the built-in default."""

    option: str
    value: int
    place: Place | None
    counter: Counter
    is_cluster: bool = False


@dataclass(frozen=True, slots=True)
class ThrottleRule:
    """At most `number` events in any `window_s`; one counter for each scope instance in which the value stands."""

    option: str
    number: int
    window_s: int
    place: Place | None
    counter: Counter

    @property
    def is_cluster(self) -> bool:
        """All nodes share it."""
        return self.option.startswith("Cluster_")


@dataclass(frozen=True, slots=True)
class Rules:
    """All that applies to connections of (binding, domain), the host's own limits apart."""

    binding: str
    domain: str
    group: str
    limits: tuple[Limit, ...]
    counters: tuple[Counter, ...]
    throttles: tuple[ThrottleRule, ...]
    maximum: int  # what the goal is a part of; below 0 = no limit
    aggressiveness: float
    suspended: Place | None

    def throttles_of(self, what: str) -> tuple[ThrottleRule, ...]:
        """Those of "Connections" or of "Messages"."""
        return tuple(rule for rule in self.throttles if rule.option.endswith(what))


class Level(NamedTuple):
    """One level of fallback, and what a limit that is found there counts."""

    settings: Mapping[str, Setting]
    counter: Counter
    is_own_domain: bool = False  # Binding::Domain


def _stanzas(container: Container | None, kind: str, name: str) -> Iterator[Scope]:
    return iter(()) if container is None else container.of(kind, name)


def _key(scope: Scope) -> str:
    """How a stanza's counter is named: its name in lower case, or the expression as it is written."""
    instance = scope.instance or ""
    return instance if is_regex(instance) else instance.lower().removesuffix(".")


class _Found(NamedTuple):
    setting: Setting
    level: Level


def _first(levels: tuple[Level, ...], option: str) -> _Found | None:
    name = option.lower()
    return next((_Found(level.settings[name], level) for level in levels if name in level.settings), None)


def _number(found: _Found) -> int:
    return found.setting.decoded if isinstance(found.setting.decoded, int) else -1


class LimitRules:
    """The limits of one generation. Asked before: one dictionary access."""

    def __init__(self, tree: Scope, place: Callable[[int], Place]) -> None:
        """`place` turns the position of a setting into file, line and column."""
        self._place_of = place
        self._global = tree
        self._containers = Containers(tree)
        self._rules: dict[tuple[str, str], Rules] = {}
        self._hosts: dict[tuple[str, str, str | None], tuple[tuple[Limit, ...], tuple[Counter, ...]]] = {}

    # -- asked from outside

    @property
    def reserve(self) -> int:
        """`Server_Reserve_Outbound_Connections`."""
        value = self._global.value("server_reserve_outbound_connections")
        return value if isinstance(value, int) else SERVER_RESERVE

    @property
    def reserve_interval_s(self) -> float:
        """`Reserve_Maintenance_Interval`."""
        value = self._global.value("reserve_maintenance_interval")
        return float(value) if isinstance(value, int) else RESERVE_INTERVAL_S

    def of(self, binding: str, domain: str) -> Rules:
        """What applies to connections of this queue."""
        key = (binding, domain.lower().removesuffix("."))
        found = self._rules.get(key)
        if found is None:
            if len(self._rules) >= MOST_CACHED:
                self._rules.clear()
            found = self._rules[key] = self._make(*key)
        return found

    def of_host(self, binding: str, domain: str, host: str | None) -> tuple[tuple[Limit, ...], tuple[Counter, ...]]:
        """The limits that need the MX host's name, and what a connection to it counts under besides `of`.

        `Cluster_Max_Outbound_Connections` is among them: it has one look-up, the host's stanza first.
        """
        key = (binding, domain.lower().removesuffix("."), host and host.lower().removesuffix("."))
        found = self._hosts.get(key)
        if found is None:
            if len(self._hosts) >= MOST_CACHED:
                self._hosts.clear()
            found = self._hosts[key] = (tuple(self._host_limits(*key)), tuple(self._host_counters(key[0], key[2])))
        return found

    def routing_domain(self, binding: str, domain: str) -> str:
        """What mail for a domain is queued for: the domain, or the gateway that the mail goes through."""
        found = _first(self._levels(binding, domain.lower().removesuffix(".")), "Gateway")
        return domain if found is None else str(found.setting.decoded) or domain

    # -- levels

    def _levels(self, binding: str, domain: str) -> tuple[Level, ...]:
        name = self._containers.group_of(binding)
        own, group = self._containers.binding(binding), self._containers.group(name)
        levels = [
            Level(scope.settings, Counter(binding=binding, domain=domain), is_own_domain=True)
            for scope in _stanzas(own, "domain", domain)
        ]
        levels += [
            Level(scope.settings, Counter(group=name, domain=_key(scope)))
            for scope in _stanzas(group, "domain", domain)
        ]
        if own is not None:
            levels.append(Level(own.settings, Counter(binding=binding)))
        if group is not None:
            levels.append(Level(group.settings, Counter(group=name)))
        everywhere = self._containers.everywhere
        levels += [Level(scope.settings, Counter(domain=_key(scope))) for scope in everywhere.of("domain", domain)]
        return (*levels, Level(everywhere.settings, Counter()))

    def _make(self, binding: str, domain: str) -> Rules:
        levels = self._levels(binding, domain)
        limits = [limit for prefix in ("", "Cluster_") for limit in self._limits(prefix, binding, domain, levels)]
        pair = Counter(binding=binding, domain=domain)
        maximum = next((one.value for one in limits if one.counter == pair and not one.is_cluster), -1)
        steepness = _first(levels, "Connection_Allocation_Aggressiveness")
        suspended = _first(levels, "Suspend_Delivery")
        return Rules(
            binding,
            domain,
            self._containers.group_of(binding),
            tuple(one for one in limits if one.value >= 0),
            tuple(dict.fromkeys(self._counters(binding, domain, levels))),
            tuple(self._throttles(levels)),
            maximum,
            steepness.setting.decoded
            if steepness is not None and isinstance(steepness.setting.decoded, float)
            else AGGRESSIVENESS,
            self._place(suspended) if suspended is not None and suspended.setting.decoded else None,
        )

    def _counters(self, binding: str, domain: str, levels: tuple[Level, ...]) -> Iterator[Counter]:
        group = self._containers.group_of(binding)
        yield from (Counter(), HOSTS, Counter(binding=binding), Counter(group=group))
        yield from (
            Counter(binding=binding, domain=domain),
            Counter(domain=domain),
            Counter(group=group, domain=domain),
        )
        yield from (level.counter for level in levels)

    # -- limits of connections

    def _limits(self, prefix: str, binding: str, domain: str, levels: tuple[Level, ...]) -> Iterator[Limit]:
        scoped = f"{prefix}Scope_Max_Outbound_Connections"
        found = _first(levels, scoped)
        yield from self._server(prefix, binding, levels)
        if found is not None and found.level.is_own_domain:
            yield self._limit(scoped, found, Counter(binding=binding, domain=domain))
            return
        if not prefix:
            yield self._pair(binding, domain, levels)
        if found is not None and found.level.counter != Counter():  # the global one: see `_server`
            yield self._limit(scoped, found, found.level.counter)

    def _server(self, prefix: str, binding: str, levels: tuple[Level, ...]) -> Iterator[Limit]:
        """`Server_Max`: the global value counts the node, that of a binding or its group the binding."""
        option = f"{prefix}Server_Max_Outbound_Connections"
        for name in (f"{prefix}Scope_Max_Outbound_Connections", option):
            everywhere = _first(levels[-1:], name)
            if everywhere is not None:
                yield self._limit(name, everywhere, Counter())
                break
        else:
            if not prefix:
                yield Limit(option, SERVER_MAX, None, Counter())
        own = _first(tuple(one for one in levels if one.counter.domain is None and one.counter != Counter()), option)
        if own is not None:
            yield self._limit(option, own, Counter(binding=binding))

    def _pair(self, binding: str, domain: str, levels: tuple[Level, ...]) -> Limit:
        option = "Max_Outbound_Connections"
        found, counter = _first(levels, option), Counter(binding=binding, domain=domain)
        return Limit(option, MAX_OUTBOUND, None, counter) if found is None else self._limit(option, found, counter)

    def _limit(self, option: str, found: _Found, counter: Counter) -> Limit:
        return Limit(option, _number(found), self._place(found), counter, option.startswith("Cluster_"))

    def _place(self, found: _Found) -> Place:
        return self._place_of(found.setting.at)

    # -- hosts

    def _host_levels(self, binding: str, host: str) -> tuple[Level, ...]:
        name = self._containers.group_of(binding)
        containers = (
            (self._containers.binding(binding), Counter(binding=binding)),
            (self._containers.group(name), Counter(group=name)),
            (self._containers.everywhere, Counter()),
        )
        return tuple(
            Level(scope.settings, counter._replace(host=_key(scope)))
            for container, counter in containers
            for scope in _stanzas(container, "host", host)
        )

    def _host_counters(self, binding: str, host: str | None) -> Iterator[Counter]:
        if host is not None:
            yield Counter(host=host)
            yield from (one.counter for one in self._host_levels(binding, host) if one.counter != Counter(host=host))

    def _host_limits(self, binding: str, domain: str, host: str | None) -> Iterator[Limit]:
        levels = () if host is None else self._host_levels(binding, host)
        for option in (
            "Max_Outbound_Connections",
            "Scope_Max_Outbound_Connections",
            "Cluster_Scope_Max_Outbound_Connections",
        ):
            found = _first(levels, option)
            if found is not None and _number(found) >= 0:
                yield self._limit(option, found, found.level.counter)
        found = self._cluster_max(binding, domain, levels)
        if found is not None and _number(found) >= 0:
            counter = found.level.counter
            if counter.host is None:
                counter = Counter(binding=counter.binding, domain=domain)
            yield self._limit("Cluster_Max_Outbound_Connections", found, counter)

    def _cluster_max(self, binding: str, domain: str, hosts: tuple[Level, ...]) -> _Found | None:
        """binding::host, host, binding::domain, binding, domain, global; never a group, nor a binding inside one."""
        levels = [level for level in (*hosts, *self._levels(binding, domain)) if level.counter.group is None]
        if self._containers.is_in_group(binding):
            levels = [level for level in levels if level.counter.binding is None]
        replaced = _first(self._levels(binding, domain), "Cluster_Scope_Max_Outbound_Connections")
        if replaced is not None and replaced.level.is_own_domain:
            levels = [level for level in levels if level.counter.host is not None]
        return _first(tuple(levels), "Cluster_Max_Outbound_Connections")

    # -- throttles

    def _throttles(self, levels: tuple[Level, ...]) -> Iterator[ThrottleRule]:
        for option in THROTTLES:
            found = _first(levels, option)
            if found is None or not isinstance(found.setting.decoded, Throttle) or not found.setting.decoded.number:
                continue
            number, seconds = found.setting.decoded
            yield ThrottleRule(option, number, seconds, self._place(found), self._instance(found.level))

    def _instance(self, level: Level) -> Counter:
        """Where a throttle's counter lives; Binding::Domain with an expression is one for all that match."""
        if not level.is_own_domain:
            return level.counter
        domain = level.counter.domain or ""
        stanzas = _stanzas(self._containers.binding(level.counter.binding or ""), "domain", domain)
        keys = (_key(scope) for scope in stanzas if scope.settings is level.settings)
        return level.counter._replace(domain=next(keys, domain))
