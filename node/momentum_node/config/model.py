"""The typed reading of a configuration: what the other rooms use, instead of the tree.

`NodeConfiguration` is immutable: one object is one generation. Durations are seconds, sizes are bytes.
Nothing here parses; `config/reading.py` builds it from the canonical tree (Momentum 3 option names in the comments).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from momentum_node.config.bindings import Bindings

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
Wish: TypeAlias = Literal["no", "ifavailable", "required"]
"""What is asked of a next hop: nothing, use it where it is offered, or no mail without it."""


@dataclass(frozen=True, order=True, slots=True)
class Place:
    """Where a value was written: lines and columns count from 1, a column is one code point."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class AuthParameters:
    """Auth…Parameters: where the users of one mechanism are."""

    uri: str
    realm: str | None = None  # None = the node's Hostname
    log_authentication: bool = False


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """How one side of TLS is made: paths of PEM files, words of OpenSSL. Of a listener or of a next hop."""

    certificate: str | None = None  # TLS_Certificate
    key: str | None = None  # TLS_Key; None = in the certificate's file
    client_ca: str | None = None  # TLS_Client_CA; of a next hop TLS_CA, None = those that the system trusts
    ciphers: str = "DEFAULT"
    protocols: str = "+ALL"
    verify: Literal["none", "require", "ca", "host"] | None = None
    """TLS_Verify_Mode of a listener: none, require, None = verified if presented. TLS_Verify of a next hop: None, ca,
    host = the name has to fit too."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A throttle of reception: at most `most` in any `window_s` seconds, counted for the scope that sets it."""

    most: int
    window_s: int
    counter: str = "Global"


@dataclass(frozen=True, slots=True)
class InboundOptions:
    """What one client of one listener may do: already looked up through all levels (configuration §10)."""

    idle_time_s: float = 300.0  # Idle_Time; 0 = never
    banner_hostname: str | None = None  # Banner_Hostname; None = the node's Hostname
    received_hostname: str | None = None  # Received_Hostname; None = the banner's
    max_message_size: int = 0  # Max_Message_Size; 0 = no limit
    max_recipients_per_message: int = 0
    require_ehlo: bool = False
    allow_null_envelope_sender: bool = True
    allow_ip_literal: bool = True
    pedantic_addresses: bool = True  # RFC2821_Pedantic_Address_Rules
    allow_trailing_whitespace: bool = False  # Allow_Trailing_Whitespace_In_Commands
    unqualified_sender_domain: str | None = None  # Domain_For_Unqualified_Sender_Address
    unqualified_recipient_domain: str | None = None  # Domain_For_Unqualified_Recipient_Addresses
    relay_hosts: tuple[Network, ...] = ()
    relay_domains: tuple[str, ...] = ()  # globs, lower case
    bounce_domains: tuple[str, ...] = ()  # globs, lower case: bounces of our own mail come back to them
    relay_for_sending_domains: tuple[str, ...] = ()  # globs, lower case
    open_relay: bool = False
    listener_sessions: int = 0  # 0 = no limit
    service_sessions: int = 0
    max_inbound_connections: int = 0  # of the client's block; 0 = no limit
    cluster_max_inbound_connections: int = 0
    inbound_connections_mask: int = 32
    inbound_connections_mask6: int = 64
    max_receptions_per_connection: int = 0
    max_recipients_per_connection: int = 0
    static_banner: str | None = None
    smtp_extensions: frozenset[str] = frozenset()  # upper case, blanks single: "STARTTLS", "AUTH PLAIN", "XCLIENT"
    enable_authentication: bool | None = None
    auth_plain: AuthParameters | None = None
    auth_login: AuthParameters | None = None
    auth_requires_tls: bool = True
    always_allow: bool = False
    always_deny: bool = False
    tls: TlsOptions = TlsOptions()
    tls_verified_peer_can_relay: bool = False
    use_ssl: bool = False
    starttls_injection_policy: Literal["reject", "ignore", "allow"] = "reject"
    trace_headers: bool = True  # RFC2822_Trace_Headers
    lone_lf_in_headers: Literal["pedantic", "fix"] = "pedantic"  # RFC2822_…, like the rest of them
    lone_lf_in_body: Literal["ignore", "pedantic", "fix"] = "ignore"
    missing_headers: Literal["reject", "allow"] = "reject"
    date_header: Literal["ifneeded", "none"] = "ifneeded"
    message_id_header: Literal["ifneeded", "none"] = "ifneeded"
    max_received_headers: int = 100  # more are a loop; 0 = no limit
    max_line_length: int = 0  # bytes without CRLF; 0 = no limit
    max_line_length_policy: Literal["none", "fix", "reject"] = "none"
    throttle_messages: Rate | None = None  # Inbound_Throttle_Messages
    context: tuple[tuple[str, str], ...] = ()  # Context
    proxy_protocol: bool = False
    proxy_protocol_from: tuple[Network, ...] = ()
    pathway: str = "default"
    pathway_group: str = ""  # that the pathway stands in


@dataclass(frozen=True, slots=True)
class OutboundOptions:
    """How mail of one (binding, domain) is delivered: already looked up through the eight levels (configuration §9)."""

    ehlo_hostname: str = "__hostname__"
    gateway: str | None = None  # host, IPv4 or [IPv6], with an optional :port
    routes: tuple[str, ...] = ()  # Routes, as written: config.nexthops reads them
    delivery_method: Literal["ESMTP", "SMTP", "LMTP"] = "ESMTP"
    remote_smtp_port: int = 25
    lmtp_port: int = 2003
    xclient: Wish = "no"
    never_attempt_expired: bool = False  # Never_Attempt_Expired_Messages
    mx_failures_fallback_to_a: int = 3
    dns_failures_to_purge: int = 10  # 0 = never
    retry_interval_s: float = 1200.0
    max_retry_interval_s: float = 43200.0
    max_retries: int | None = None  # a number; None with `retries_are_automatic` = auto, else none (age only)
    retries_are_automatic: bool = True
    message_expiration_s: float = 86400.0
    never_retry: bool = False
    max_outbound_connections: int = 32
    max_deliveries_per_connection: int = 0
    max_recipients_per_connection: int = 0
    connect_timeout_s: float = 300.0
    ehlo_timeout_s: float = 300.0
    mailfrom_timeout_s: float = 300.0
    rcptto_timeout_s: float = 300.0
    body_timeout_s: float = 600.0
    rset_timeout_s: float = 30.0
    idle_timeout_s: float = 5.0
    transform_8bit: Literal["no", "ifneeded", "strict", "strip"] = "ifneeded"  # Transform_8BitMime_Content
    tls_wish: Wish = "no"  # TLS
    tls_ifavailable_fallback: bool = True  # in the clear when the negotiation fails; else the mail is delayed
    tls: TlsOptions = TlsOptions()
    suspend_delivery: bool = False
    blackhole: Literal["false", "true", "inline", "internal"] = "false"
    generate_bounces: bool = True
    bounces_inline_original: Literal["none", "headers", "all"] = "headers"
    mailer_daemon: str | None = None  # MailerDaemon; None = mailer-daemon@Hostname
    dkim_sign: bool = True
    host_failure_retry_s: float = 120.0
    connect_timeout_to_delay_s: float = 900.0  # no contact for so long: all active mail of the domain is delayed
    mx_failures_to_delay: int = 50  # in a row on every MX, until the same happens; 0 = off
    max_recipients_per_batch: int = 100  # RCPT of one transaction


@dataclass(frozen=True, slots=True)
class PeerRule:
    """One `Peer` (or 2.x ACL rule): the options that are set there, by canonical option name."""

    network: Network
    options: Mapping[str, object]
    continues: bool  # 2.x `continue`: apply, and go on to the next rule that matches


@dataclass(frozen=True, slots=True)
class Listener:
    """One ESMTP socket. `address` None = any (`*`)."""

    address: Address | None
    port: int
    backlog: int
    enabled: bool
    duravip: bool
    preference: str | None
    place: Place
    follow: str | None = None  # Duravip_Follow: open where that binding (name or address) is owned


@dataclass(frozen=True, slots=True)
class Binding:
    """A source address with its own queues. `address` None = the kernel chooses."""

    name: str
    address: Address | None
    duravip: bool
    preference: str | None
    place: Place
    match_domains: tuple[str, ...] = ()  # Match_Domain: envelope sender domains, lower case


@dataclass(frozen=True, slots=True)
class TopologyEntry:
    """Where addresses of `network` are plumbed, and with which mask."""

    network: Network
    interface: str
    prefix_length: int
    place: Place
    probe_gateway: Address | None = None  # it answers on a link that leads anywhere


@dataclass(frozen=True, slots=True)
class Vip:
    """One DuraVIP as this configuration declares it: the union of the listeners and bindings that use it."""

    address: Address
    services: frozenset[str]  # "multivip" (has a binding), "esmtp"
    bindings: tuple[str, ...]  # sorted
    preference: str | None
    topology: TopologyEntry | None  # None: unusable on this node (warning X005)
    follow: Address | None = None  # of the binding whose owner should have it too
    apart: str | None = None  # addresses of one such group should be on different nodes
    candidates: str | None = None  # names of the nodes that may have it; None = all that declare it


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster scope, as far as it is used (cluster §1.7)."""

    nodename: str | None = None
    nodeaddr: Address | None = None
    cluster_group: str = "ec_cluster"
    control_group: str = "ec_console"
    topologies: tuple[TopologyEntry, ...] = ()
    partition_policy: Literal["both", "quorum"] = "both"
    cluster_size: int | None = None
    view_mature_time_s: float = 5.0
    duravip_failback_delay_s: float = 60.0
    duravip_probe: bool = True
    arp_all_hosts: bool = True  # announce by broadcast; else to hosts of interest only
    duravip_addr_lifetime_s: float | None = None  # None = 2, or 10 above 512 held addresses; 0 = for ever
    duravip_release_grace_s: float = 5.0
    view_balance_interval_s: float = 10.0
    duravip_balance_set_size: int = 1
    duravip_self_drop_s: float = 10.0
    if_check_interval_s: float = 30.0
    if_down_limit: int = 4
    heartbeat_start_delay_s: float = 15.0
    heartbeats_per_sec: float = 1.0
    max_duravips: int = 10240
    weights: tuple[tuple[str, int], ...] = ()  # (node, weight): how many addresses it takes beside the others


@dataclass(frozen=True, slots=True)
class Security:
    """Identity of the processes that handle mail."""

    user: str = "ecuser"
    group: str = "ecuser"


@dataclass(frozen=True, slots=True)
class Monitor:
    """One series of `inbound_audit`: the current window of that many seconds, and so many complete ones behind it."""

    window_s: int
    windows: int


@dataclass(frozen=True, slots=True)
class InboundAudit:
    """What is counted for each client address. `monitors`: at least one, no two with windows of the same length."""

    monitors: tuple[Monitor, ...]
    maintenance_interval_s: float = 300.0


@dataclass(frozen=True)
class NodeConfiguration:
    """One generation: everything a node runs on."""

    digest: str  # SHA-256 of all text read, hex
    hostname: str | None  # Hostname; None = gethostname
    security: Security
    listeners: tuple[Listener, ...]
    bindings: "Bindings"  # "default" is always there
    vips: tuple[Vip, ...]  # sorted by address, IPv4 first
    cluster: Cluster | None
    spool_base: str = "/var/spool/ecelerity"
    force_fsync: bool = True
    mail_workers: int | None = None  # Mail_Workers; None = CPUs, at most 16
    delayed_queue_scan_interval_s: float = 15.0
    default_binding: Literal["normal", "suspended", "none"] = "normal"
    prohibited_hosts: tuple[Network, ...] = ()  # never connect there
    use_ipv6: bool = False  # use AAAA records for delivery
    reconfig_message: str = "4.3.2 Reconfiguration in progress"  # Reconfig_Message, behind 421
    inbound_audit: InboundAudit | None = None  # None = nothing is counted
    notices: tuple[str, ...] = field(default=())  # accepted and not built: named once at start
