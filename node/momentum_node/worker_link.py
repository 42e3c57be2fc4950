"""How a mail worker talks to the core, and to the services: a msgpack array a frame over an AF_UNIX SEQPACKET socket.

    byte 0 …   msgpack [kind, field, field …]; `Listen`, `Dialled` and `Visit` carry one descriptor (SCM_RIGHTS)

The core listens on `core.sock`; a worker connects, says `Hello`, and is checked by its uid before anything is read.
The services listen on `cluster.sock` in the same way, and are told `Serves`.
A frame that is too long, unknown or of another shape ends the connection: both ends are ours, so that is a defect.
Listening sockets come from the supervisor through the core; all workers share them (a worker's crash loses nothing
in the backlog).
"""

import socket
from dataclasses import dataclass, fields
from typing import Final, TypeAlias, get_args

import msgpack

from momentum_node.audit.windows import Audited
from momentum_node.errors import ProtocolError
from momentum_node.findings import Finding, Inquire, Knows
from momentum_node.limits.remotes import Heads
from momentum_node.passing import carried, carrying

MAX_FRAME_BYTES: Final = 65_536
HEARTBEAT_INTERVAL_S: Final = 0.2
"""How often a worker says that its loop runs; after 1 s without any worker's word the addresses are given up."""


@dataclass(frozen=True, slots=True)
class Hello:
    """worker → core, first frame."""

    index: int
    pid: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """worker → core, every `HEARTBEAT_INTERVAL_S`. `accepting` = new sessions are taken."""

    accepting: bool
    sessions: int
    queued: int
    received: int  # messages acknowledged since start
    delivered: int
    failed: int
    moving: int = 0  # messages that are to be handed to another node, and can be


@dataclass(frozen=True, slots=True)
class Figures:
    """worker → core, every two seconds: what changes all the time. Ages and times in seconds."""

    by_class: tuple[tuple[int, int], ...]  # refusals by bounce class
    queues: tuple[tuple[str, str, int, float], ...]  # the longest: binding, domain, messages, age of the oldest
    active: int
    oldest_s: float
    commits: int
    commit_s: float  # spent in all of them
    loop_lag_s: float
    quarantined: int
    policy_failures: int
    signed: int
    moved: int = 0  # messages handed to other nodes since start
    arrived: int = 0  # messages that other nodes handed over
    held: int = 0  # messages that wait because they went from node to node, or because a node may have them
    secured: tuple[tuple[str, int], ...] = ()  # outbound connections by TLS version, "none" or "failed"
    loop_delays: tuple[int, ...] = ()  # since start, see `looplag`
    loop_delay_s: float = 0.0  # of all of them


@dataclass(frozen=True, slots=True)
class Quiet:
    """worker → core: nothing that takes long uses the address any more."""

    address: str


@dataclass(frozen=True, slots=True)
class Released:
    """worker → core: no session and no delivery of this worker uses the address any more."""

    address: str


@dataclass(frozen=True, slots=True)
class Ask:
    """worker → core: one more connection to the first of `hosts` with room, or a token to begin one message.

    Answered by `Granted` or `Denied`, at once or when it is its turn. `number` is the worker's, never used twice;
    `active`: messages that wait in the worker's queue.
    """

    number: int
    binding: str
    domain: str
    hosts: tuple[str, ...]
    active: int
    wants_token: bool


@dataclass(frozen=True, slots=True)
class Withdraw:
    """worker → core: it asks no more, or the connection is closed."""

    number: int


@dataclass(frozen=True, slots=True)
class Unused:
    """worker → core: the token was not needed."""

    number: int
    binding: str
    domain: str


@dataclass(frozen=True, slots=True)
class Holds:
    """worker → core, after `Welcome`: a connection that was granted by a core before this one."""

    number: int
    binding: str
    domain: str
    host: str


@dataclass(frozen=True, slots=True)
class Knock:
    """worker → core: may this client come in? Answered by `Admitted` or `Refused`. `limits`: as `sessions.Limits`."""

    number: int
    client: str
    listener: str
    limits: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sessions:
    """worker → core: clients that came in without being asked about (number, address, listener), and that left."""

    arrived: tuple[tuple[int, str, str], ...]
    left: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Admitted:
    """core → worker: it may, and counts until it is said to have left."""

    number: int


@dataclass(frozen=True, slots=True)
class Refused:
    """core → worker: a limit is reached."""

    number: int


@dataclass(frozen=True, slots=True)
class Turn:
    """worker → core: when may this message be accepted? At most `most` in `window_s` under `counter`.

    Answered by `YourTurn` at once. `number` is one of `Knock`'s.
    """

    number: int
    counter: str
    most: int
    window_s: int


@dataclass(frozen=True, slots=True)
class YourTurn:
    """core → worker: in so many seconds; below 0: never."""

    number: int
    wait_s: float


@dataclass(frozen=True, slots=True)
class Granted:
    """core → worker: open the connection to `host`, or begin the message, now."""

    number: int
    host: str


@dataclass(frozen=True, slots=True)
class Denied:
    """core → worker: the queue has what it deserves, or is suspended."""

    number: int
    why: str


@dataclass(frozen=True, slots=True)
class Recalled:
    """core → worker: others wait; the connection ends once 20 messages or 2 s are used."""

    number: int


@dataclass(frozen=True, slots=True)
class Welcome:
    """core → worker, answer to `Hello`. `node_id` is the bus node id (16 bits of every message id)."""

    node_name: str
    node_id: int


@dataclass(frozen=True, slots=True)
class Listen:
    """core → worker: accept on this socket (passed with the frame). `address` "" = any."""

    address: str
    port: int
    duravip: bool


@dataclass(frozen=True, slots=True)
class Unlisten:
    """core → worker: stop accepting there and close the copy."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class AddressGained:
    """core → worker: a DuraVIP is on this node's NIC; bindings with it may deliver."""

    address: str


@dataclass(frozen=True, slots=True)
class AddressLeaves:
    """core → worker: begin nothing from the address, serve its clients, and answer `Quiet` within `grace_s`."""

    address: str
    grace_s: float


@dataclass(frozen=True, slots=True)
class AddressLost:
    """core → worker: finish what uses the address within `grace_s` (0 = drop it now), then answer `Released`."""

    address: str
    grace_s: float


@dataclass(frozen=True, slots=True)
class Reload:
    """core → worker: the configuration file holds an accepted generation with this digest; read it again."""

    digest: str


@dataclass(frozen=True, slots=True)
class Refresh:
    """core → worker: ask the DNS again for the hosts of a routing domain, or of "all"."""

    domain: str


@dataclass(frozen=True, slots=True)
class Owned:
    """core → worker: `node` owns these addresses, packed one behind the other. Counts with the next `Members`."""

    node: str
    ipv4: bytes
    ipv6: bytes


@dataclass(frozen=True, slots=True)
class Members:
    """core → worker: the names of all nodes of the view; what was `Owned` since the last one is all there is."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Serves:
    """worker → services, first frame: it has every shard whose number modulo `workers` is `index`."""

    index: int
    workers: int


@dataclass(frozen=True, slots=True)
class Dial:
    """worker → services: a connection to `node` for messages of a shard, as soon as there are less than `most`.

    Answered by `Dialled` or `NotDialled`. `number` is the worker's, never used twice.
    """

    number: int
    node: str
    shard: int
    most: int


@dataclass(frozen=True, slots=True)
class Dialled:
    """services → worker: here it is (passed with the frame); the other node has said HELLO_OK."""

    number: int


@dataclass(frozen=True, slots=True)
class NotDialled:
    """services → worker: the node cannot be reached, or does not want us."""

    number: int
    why: str


@dataclass(frozen=True, slots=True)
class Visit:
    """services → worker: `node` wants to hand over messages of this shard (connection passed with the frame)."""

    node: str
    shard: int


Question: TypeAlias = Ask | Withdraw | Unused | Holds | Knock | Sessions | Turn | Heads | Audited
Verdict: TypeAlias = Admitted | Refused
Answer: TypeAlias = Granted | Denied | Recalled | Verdict | YourTurn
Frame: TypeAlias = (
    Hello
    | Heartbeat
    | Figures
    | Quiet
    | Released
    | Finding
    | Welcome
    | Listen
    | Unlisten
    | AddressGained
    | AddressLeaves
    | AddressLost
    | Reload
    | Refresh
    | Inquire
    | Knows
    | Owned
    | Members
    | Serves
    | Dial
    | Dialled
    | NotDialled
    | Visit
    | Question
    | Answer
)

_KINDS: Final[dict[str, type[Frame]]] = {kind.__name__: kind for kind in get_args(Frame)}
_FIELDS: Final = {kind: tuple(field.name for field in fields(kind)) for kind in _KINDS.values()}


def encode(frame: Frame) -> bytes:
    """The bytes of one frame."""
    kind = type(frame)
    packed: bytes = msgpack.packb([kind.__name__, *[getattr(frame, name) for name in _FIELDS[kind]]])
    return packed


def decode(data: bytes) -> Frame:
    """One frame. Raises `ProtocolError` on anything that `encode` does not make."""
    try:
        kind, *fields = msgpack.unpackb(data)
        return _KINDS[kind](*fields)
    except (ValueError, TypeError, KeyError, msgpack.UnpackException) as error:
        raise ProtocolError(f"a frame of {len(data)} bytes is not ours: {error}") from None


def send_frame(sock: socket.socket, frame: Frame, descriptor: int | None = None) -> None:
    """Send one frame, and a descriptor with it. Raises `BlockingIOError` when a non-blocking peer does not read."""
    sock.sendmsg([encode(frame)], carrying(descriptor))


def receive_frame(sock: socket.socket) -> tuple[Frame, int | None] | None:
    """One frame and its descriptor (the caller owns it), or None at the end.

    Raises `BlockingIOError` when nothing is there, `ProtocolError` when it is not a frame of ours.
    """
    data, ancillary, flags, _ = sock.recvmsg(MAX_FRAME_BYTES, socket.CMSG_SPACE(4))
    if not data:
        return None
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        raise ProtocolError("a frame is longer than both ends agreed on")
    return decode(data), carried(ancillary)
