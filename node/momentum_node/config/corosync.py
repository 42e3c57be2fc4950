"""corosync.conf as text: from the node list and a timing profile, with every number written out.

    render("4f1c…", [RingNode("n1", 1, "198.18.0.1"), …], "Fast")  ->  totem { … } nodelist { … } quorum { … } …

Nothing is left to Corosync's defaults that decides how fast a dead node is noticed: it adds token and consensus (not
"token + 50 ms" as corosync.conf(5) says), lengthens the token by 650 ms for each node above two, and derives knet pings
shorter than libknet's own timer resolution, which makes every link flap by itself each 9 s at a token below 500 ms.
Addresses only, never names: a slow resolver in the reload path stalls the ring.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from momentum_node.errors import ConfigurationError

MAX_NODES = 32
KNET_PING_INTERVAL_MS = 200  # libknet.h, KNET_THREADS_TIMER_RES: its heartbeat thread sleeps this long
KNET_PING_TIMEOUT_MS = 1000
RETRANSMITS = 4
MIN_RETRANSMIT_MS = 30  # totemconfig.c refuses shorter retransmit times-out
JOIN_MS = 50
ROTATIONS_BEFORE_HOLD = 30  # corosync.conf(5), seqno_unchanged_const: its default
AUTHKEY_MIN_BYTES = 128  # corosync-keygen(8) makes 256

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_PATH = re.compile(r"/[^\s{}#]+")


class RingError(ConfigurationError):
    """A node list or a timing no ring can be made of."""


@dataclass(frozen=True, slots=True)
class RingNode:
    """One node of the ring: `node_id` is stable and never reused, `address` is IPv4 or IPv6 text."""

    name: str
    node_id: int
    address: str


@dataclass(frozen=True, slots=True)
class RingTiming:
    """Milliseconds. What follows from token and consensus is computed, so that it cannot contradict them."""

    token_ms: int
    consensus_ms: int
    knet_ping_timeout_ms: int = KNET_PING_TIMEOUT_MS
    mature_ms: int = 5000
    """How long a view must stay unchanged before addresses are dealt (view_mature_time)."""
    rotations_before_hold: int = ROTATIONS_BEFORE_HOLD
    """Turns of the token in which nobody says anything before it is held for `hold_ms` (seqno_unchanged_const)."""

    @property
    def detection_ms(self) -> int:
        """Least time until the others see a node gone; 10 to 40 ms come on top, more with many nodes."""
        return self.token_ms + self.consensus_ms

    @property
    def hold_ms(self) -> int:
        """How long the first node keeps the token of a ring that has nothing to say; whoever wants to speak calls it.

        As Corosync derives it (totemconfig.c): 0.8 of the retransmit time-out, less 10 ms. At worst a node that dies
        meanwhile is noticed that much later.
        """
        return self.token_ms * 8 // (RETRANSMITS * 10 + 2) - 10

    @property
    def resolver_ms(self) -> int:
        """Own messages not come back for so long: the ring is stuck, somebody must leave it."""
        return max(1500, self.detection_ms * 22 // 10)

    @property
    def self_drop_ms(self) -> int:
        """Own messages not come back for so long: let go of every address."""
        return 2 * self.resolver_ms

    def problems(self) -> list[str]:
        """Every inequality that does not hold, as a sentence; empty when the timing is sound."""
        checks = (
            (
                self.token_ms * 10 >= MIN_RETRANSMIT_MS * (RETRANSMITS * 10 + 2),
                f"token {self.token_ms} ms is too short for {RETRANSMITS} retransmits of {MIN_RETRANSMIT_MS} ms",
            ),
            (
                self.consensus_ms >= JOIN_MS,
                f"consensus {self.consensus_ms} ms is below the join time-out of {JOIN_MS} ms",
            ),
            (
                self.detection_ms + self.hold_ms + 200 < self.resolver_ms < self.self_drop_ms,
                f"token + consensus + hold + 200 ms ({self.detection_ms + self.hold_ms + 200} ms) must be below"
                f" the resolver's {self.resolver_ms} ms, and that below {self.self_drop_ms} ms",
            ),
            (
                self.knet_ping_timeout_ms >= 3 * KNET_PING_INTERVAL_MS,
                f"knet_ping_timeout {self.knet_ping_timeout_ms} ms is below {3 * KNET_PING_INTERVAL_MS} ms:"
                " links would flap by themselves",
            ),
        )
        return [problem for holds, problem in checks if not holds]


def profile_timing(profile: str, node_count: int) -> RingTiming:
    """The timing of a profile (Aggressive, Fast, Balanced, Safe) for a ring of `node_count` nodes.

    Raises `RingError` for an unknown profile, or one that is not sound with so many nodes.
    """
    if not 1 <= node_count <= MAX_NODES:
        raise RingError(f"a ring has 1 to {MAX_NODES} nodes, not {node_count}")
    if profile in _NODE_LIMIT and node_count > _NODE_LIMIT[profile]:
        raise RingError(
            f"profile {profile} is for at most {_NODE_LIMIT[profile]} nodes, not {node_count}: use Balanced"
        )
    if profile == "Fast" and node_count > 8:
        return RingTiming(token_ms=400, consensus_ms=480, mature_ms=3000, rotations_before_hold=1)
    if profile not in _PROFILES:
        raise RingError(f"unknown bus profile {profile!r}: use one of {', '.join(_PROFILES)}")
    return _PROFILES[profile]


_PROFILES = {
    "Aggressive": RingTiming(token_ms=200, consensus_ms=60, mature_ms=3000),
    "Fast": RingTiming(token_ms=300, consensus_ms=360, mature_ms=3000, rotations_before_hold=1),
    "Balanced": RingTiming(token_ms=1000, consensus_ms=1200, rotations_before_hold=1),
    "Safe": RingTiming(token_ms=3000, consensus_ms=3600, rotations_before_hold=1),
}
"""Our beacons come every 100 ms from each node, so by the default the token would never rest: 17 % of a processor on
each of three idle nodes, 5 % with 1 (measured; messages arrive as soon). Aggressive is for machines that have them to
spare (decision 0033)."""
_NODE_LIMIT = {"Aggressive": 8, "Fast": 16}


def render(
    cluster: str,
    nodes: Sequence[RingNode],
    profile: str = "Fast",
    *,
    port: int = 5405,
    keyfile: str = "/etc/corosync/authkey",
    state_dir: str = "/run/momentum/corosync",
) -> str:
    """The text of corosync.conf for every node of the ring; equal input gives equal text, whatever the order of nodes.

    `keyfile` must hold at least `AUTHKEY_MIN_BYTES` and be readable by root alone; `state_dir` belongs on a tmpfs:
    Corosync writes it at each new ring, and exits when it cannot. Raises `RingError` with everything that is wrong.
    """
    ring = sorted(nodes, key=lambda node: node.node_id)
    timing = profile_timing(profile, len(ring))
    problems = [*_names(cluster, ring), *_unique(ring), *_addresses(ring), *_places(port, keyfile, state_dir)]
    problems += timing.problems()
    if problems:
        raise RingError("; ".join(problems))
    sections = (
        _totem(cluster, ring, timing, port, keyfile),
        _section("nodelist", (), [_node(node) for node in ring]),
        _section("quorum", _quorum(len(ring))),
        _section("system", _system(state_dir)),
        _section("logging", (("to_stderr", "yes"), ("to_syslog", "no"), ("timestamp", "hires"), ("debug", "off"))),
    )
    return "".join(f"{line}\n" for section in sections for line in section)


_Options = Iterable[tuple[str, object]]


def _section(name: str, options: _Options, inner: Iterable[list[str]] = ()) -> list[str]:
    """`name {`, one option a line, `}` alone: the only layout coroparse.c reads without surprises."""
    lines = [f"    {key}: {value}" for key, value in options]
    lines += [f"    {line}" for section in inner for line in section]
    return [f"{name} {{", *lines, "}"]


def _totem(cluster: str, ring: Sequence[RingNode], timing: RingTiming, port: int, keyfile: str) -> list[str]:
    options = (
        ("version", 2),
        ("cluster_name", cluster),
        ("transport", "knet"),
        ("crypto_model", "nss"),
        ("crypto_cipher", "aes256"),
        ("crypto_hash", "sha256"),
        ("keyfile", keyfile),
        ("ip_version", f"ipv{ip_address(ring[0].address).version}"),
        ("link_mode", "passive"),
        ("token", timing.token_ms),
        ("token_coefficient", 0),
        ("consensus", timing.consensus_ms),
        ("token_retransmits_before_loss_const", RETRANSMITS),
        *_hold(timing),
        ("join", JOIN_MS),
        ("send_join", 0),
        ("merge", 200),
        ("max_messages", 17),
        ("window_size", 50),
        ("knet_pmtud_interval", 30),
        ("knet_mtu", 0),
        ("block_unlisted_ips", "yes"),
    )
    return _section("totem", options, [_interface(timing, port)])


def _hold(timing: RingTiming) -> list[tuple[str, object]]:
    """Left out where it is Corosync's own."""
    rotations = timing.rotations_before_hold
    return [("seqno_unchanged_const", rotations)] if rotations != ROTATIONS_BEFORE_HOLD else []


def _interface(timing: RingTiming, port: int) -> list[str]:
    options = (
        ("linknumber", 0),
        ("mcastport", port),
        ("knet_ping_interval", KNET_PING_INTERVAL_MS),
        ("knet_ping_timeout", timing.knet_ping_timeout_ms),
        ("knet_pong_count", 1),
    )
    return _section("interface", options)


def _node(node: RingNode) -> list[str]:
    return _section("node", (("name", node.name), ("nodeid", node.node_id), ("ring0_addr", ip_address(node.address))))


def _quorum(count: int) -> list[tuple[str, object]]:
    """For reports only: who may hold addresses is counted by the nodes themselves from the totem membership."""
    options: list[tuple[str, object]] = [("provider", "corosync_votequorum"), ("wait_for_all", 0)]
    if count % 2 == 0:  # with an odd number there is no half to break
        options += [("auto_tie_breaker", 1), ("auto_tie_breaker_node", "lowest")]
    return options


def _system(state_dir: str) -> _Options:
    return (
        ("qb_ipc_type", "native"),
        ("sched_rr", "yes"),
        ("move_to_root_cgroup", "no"),  # never leave the container's cgroup
        ("allow_knet_handle_fallback", "yes"),  # start even where 8 MiB socket buffers cannot be had
        ("state_dir", state_dir),
    )


def _names(cluster: str, ring: Iterable[RingNode]) -> list[str]:
    problems = [] if _NAME.fullmatch(cluster) else [f"cluster name {cluster!r}: use letters, digits, '.', '_' and '-'"]
    for node in ring:
        if not _NAME.fullmatch(node.name):
            problems.append(f"node name {node.name!r}: use letters, digits, '.', '_' and '-'")
        if not 1 <= node.node_id < 2**31:
            problems.append(f"node {node.name}: id {node.node_id} is not in 1 … 2147483647")
    return problems


def _unique(ring: Sequence[RingNode]) -> list[str]:
    problems = _shared("name", [(node.name.lower(), node) for node in ring])
    return problems + _shared("id", [(str(node.node_id), node) for node in ring])


def _shared(what: str, values: Iterable[tuple[str, RingNode]]) -> list[str]:
    problems = []
    first: dict[str, str] = {}
    for value, node in values:
        if value in first:
            problems.append(f"nodes {first[value]} and {node.name} have the same {what} {value}")
        first.setdefault(value, node.name)
    return problems


def _addresses(ring: Sequence[RingNode]) -> list[str]:
    problems = []
    known = []
    for node in ring:
        try:
            address = ip_address(node.address)
        except ValueError:
            problems.append(f"node {node.name}: {node.address!r} is not an IP address (names are not allowed here)")
            continue
        known.append((str(address), node))
        if address.is_unspecified or address.is_multicast:
            problems.append(f"node {node.name}: {node.address} cannot be the address of a node")
    if len({ip_address(text).version for text, _ in known}) > 1:
        problems.append("the addresses of all nodes must be of one family, IPv4 or IPv6")
    return problems + _shared("address", known)


def _places(port: int, keyfile: str, state_dir: str) -> list[str]:
    problems = [] if 1 <= port <= 65535 else [f"port {port} is not in 1 … 65535"]
    for what, path in (("keyfile", keyfile), ("state_dir", state_dir)):
        if not _PATH.fullmatch(path):
            problems.append(f"{what} {path!r} must be an absolute path without spaces, braces and '#'")
    return problems
