"""What a node reports of itself: one JSON object, built from values, read by the operator and by people.

The operator decides nothing about addresses; it reads this (long poll) and shows it. Times are RFC 3339, UTC.
"""

from typing import NotRequired, TypedDict


class MemberReport(TypedDict):
    """One member of the view, as this node sees it."""

    name: str
    nodeId: int
    mature: bool
    draining: bool


class VipReport(TypedDict):
    """One address: who the agreed table names, why, and whether it is on a NIC of the reporting node."""

    address: str
    owner: str | None
    reason: str
    since: str  # when this node saw the owner change
    held: bool  # on a NIC of this node now
    problem: str | None  # why it is not served although it should be (in use on the wire, no topology …)
    viewStableSince: str  # when this node saw the set of its candidates change
    configurationStableSince: str  # … and a candidate's definition of it


class ConfigurationReport(TypedDict):
    """Which text this node sees and runs on."""

    digest: str  # of the files as mounted now
    running: str  # of the generation in use
    errors: list[str]  # file:line:column: message; empty when what is seen is what runs


class InterfaceReport(TypedDict):
    """One NIC, for preflight and for choosing the bus address."""

    name: str
    up: bool
    addresses: list[str]  # with prefix length


class MailReport(TypedDict):
    """Sums over all mail workers."""

    workers: int
    accepting: bool
    sessions: int
    queued: int
    received: int
    delivered: int
    failed: int


class LinkReport(TypedDict):
    """One link of the bus to another node, as this end sees it."""

    node: str
    connected: bool
    timesDown: int


class BusKeyReport(TypedDict):
    """The bus key by fingerprints, as the bus container of this node published it."""

    stage: str  # of a rotation: distribute, install, switch; empty without one
    file: str  # what Corosync would read now
    next: str | None
    inForce: str  # what it was started with or reloaded


class BusReport(TypedDict):
    """What Corosync says of its ring; no links with the embedded engine. Nothing here moves while nothing happens."""

    ring: list[str]  # names of the nodes on the ring
    links: list[LinkReport]
    gathers: int  # how often a ring was formed anew
    tokenLosses: int
    silentSeconds: int  # nothing of ours came back from it for so long; 0 for as long as a lost node explains
    ignored: int  # messages that were not understood, or came twice, since the core began
    problem: str | None  # what hinders the ring, or why Corosync could not be asked
    key: BusKeyReport | None  # None: the bus container keeps no key folder


class NodeIdentity(TypedDict):
    """Who reports."""

    name: str
    id: int
    address: str
    incarnation: str
    version: str


class TakeoverReport(TypedDict):
    """Addresses that came to this node for one cause. Seconds count from `at`, but for `silentSeconds` before it."""

    at: str  # the loss was told, or the first address was granted
    what: str  # "n2 left", "handed over", …
    addresses: int
    served: int
    silentSeconds: float  # since the last word of a node that is lost
    agreedSeconds: float  # until the first was granted
    firstServedSeconds: float
    lastServedSeconds: float


class DurationsReport(TypedDict):
    """How long one phase of takeovers for one cause took, an address each."""

    cause: str  # loss, handover, other
    phase: str  # silent, agreed, served, total
    counts: list[int]  # for each of `bounds` how many took no longer (and longer than the one before); then the rest
    sum: float


class TakeoversReport(TypedDict):
    """What came to this node since its core began."""

    recent: list[TakeoverReport]
    bounds: list[float]
    seconds: list[DurationsReport]


class Report(TypedDict):
    """Everything. `revision` grows with each change; a long poll waits for a larger one."""

    revision: int
    node: NodeIdentity
    state: str  # BOOT CLEAN JOINING GATHER RUN DRAINING ISOLATED
    quorate: bool
    quorum: str  # "2/3": nodes on the ring of nodes in the list
    bus: BusReport
    members: list[MemberReport]
    vips: list[VipReport]
    transitions: dict[str, int]  # plumbed, released, failed, restored, conflict: here, since the core began
    configuration: ConfigurationReport
    interfaces: list[InterfaceReport]
    mail: MailReport
    notices: list[str]
    takeovers: NotRequired[TakeoversReport]  # of a version that measures them
