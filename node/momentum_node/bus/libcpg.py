"""libcpg.so.4 through cffi in ABI mode: declarations by hand from cpg.h, no header and no compiler at run time.

`Cpg` is one handle. Its callbacks only note what came, as values of `callbacks.py`; `dispatch` hands them back, so no
code of ours runs inside the library and a handle may be finalized between two of them.

Which calls can block: `initialize`, `join`, `leave` and `finalize` wait for an answer of the daemon (for ever, if it is
frozen); `dispatch` and `send` never do.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Any

from cffi import FFI

from momentum_node.bus.callbacks import Callback, GroupChange, Message, Reason, RingChange
from momentum_node.bus.contract import Member
from momentum_node.errors import BusError

LIBRARY = "libcpg.so.4"
MAX_GROUP_BYTES = 128  # CPG_MAX_NAME_LENGTH

_DECLARATIONS = """
typedef uint64_t cpg_handle_t;
struct cpg_address { uint32_t nodeid; uint32_t pid; uint32_t reason; };
struct cpg_name { uint32_t length; char value[128]; };
struct cpg_ring_id { uint32_t nodeid; uint64_t seq; };
struct iovec { void *iov_base; size_t iov_len; };
typedef void (*cpg_deliver_fn_t)(cpg_handle_t, const struct cpg_name *, uint32_t nodeid, uint32_t pid, void *, size_t);
typedef void (*cpg_confchg_fn_t)(cpg_handle_t, const struct cpg_name *, const struct cpg_address *, size_t,
    const struct cpg_address *, size_t, const struct cpg_address *, size_t);
typedef void (*cpg_totem_confchg_fn_t)(cpg_handle_t, struct cpg_ring_id, uint32_t, const uint32_t *);
typedef struct {
    int model;
    cpg_deliver_fn_t deliver;
    cpg_confchg_fn_t confchg;
    cpg_totem_confchg_fn_t totem_confchg;
    unsigned int flags;
} cpg_model_v1_data_t;
int cpg_model_initialize(cpg_handle_t *, int model, cpg_model_v1_data_t *, void *context);
int cpg_finalize(cpg_handle_t);
int cpg_fd_get(cpg_handle_t, int *);
int cpg_dispatch(cpg_handle_t, int flags);
int cpg_join(cpg_handle_t, const struct cpg_name *);
int cpg_leave(cpg_handle_t, const struct cpg_name *);
int cpg_mcast_joined(cpg_handle_t, int guarantee, const struct iovec *, unsigned int);
int cpg_local_get(cpg_handle_t, unsigned int *);
"""
_MODEL_V1 = 1
_DELIVER_INITIAL_TOTEM_CONF = 0x01
_DISPATCH_ONE_NONBLOCKING = 4
_AGREED = 2  # the strongest that is implemented


class Status(IntEnum):
    """cs_error_t (corotypes.h), as far as anybody here tells them apart."""

    OK = 1
    LIBRARY = 2
    TIMEOUT = 5
    TRY_AGAIN = 6
    BAD_HANDLE = 9
    ACCESS = 11
    NOT_EXIST = 12
    EXIST = 14
    NO_SPACE = 15
    SECURITY = 100


_ADVICE = {
    Status.LIBRARY: "no Corosync answers here: is the bus container running, and is libqb's /tmp shared with it?",
    Status.ACCESS: "Corosync refuses our uid: run as root, or name the uid in uidgid{} of corosync.conf",
    Status.NOT_EXIST: "Corosync's shared memory is not visible: /dev/shm must be the same mount as Corosync's",
    Status.NO_SPACE: "Corosync's shared memory is full: each client takes 3 MiB of /dev/shm; make it larger",
    Status.EXIST: "a process with our pid is in this group already: share the pid namespace, or run one agent a node",
    Status.SECURITY: "Corosync refuses our uid: run as root, or name the uid in uidgid{} of corosync.conf",
}


class CpgError(BusError):
    """A call of libcpg failed; `code` is the cs_error_t."""

    def __init__(self, call: str, code: int) -> None:
        name = Status(code).name if code in Status.__members__.values() else str(code)
        advice = f": {_ADVICE[Status(code)]}" if code in _ADVICE else ""
        super().__init__(f"{call} failed with CS_ERR_{name}{advice}")
        self.code = code


@dataclass(frozen=True)
class _Library:
    ffi: Any
    lib: Any


@cache
def _library() -> _Library:
    """Load the library once. Raises `BusError` when it is not installed."""
    ffi = FFI()
    ffi.cdef(_DECLARATIONS)
    try:
        return _Library(ffi, ffi.dlopen(LIBRARY))
    except OSError as error:
        raise BusError(f"cannot load {LIBRARY} ({error}): install the package libcpg4, or use embedded:PATH") from None


class Cpg:
    """One handle: at most one group. Raises `CpgError` unless said otherwise."""

    def __init__(self) -> None:
        """Connect to the daemon (may block)."""
        library = _library()
        self._ffi, self._lib = library.ffi, library.lib
        self._came: list[Callback] = []
        # The library keeps these pointers: they must live as long as the handle.
        self._callbacks = (
            self._ffi.callback("cpg_deliver_fn_t", self._on_deliver),
            self._ffi.callback("cpg_confchg_fn_t", self._on_confchg),
            self._ffi.callback("cpg_totem_confchg_fn_t", self._on_totem_confchg),
        )
        self._model = self._ffi.new("cpg_model_v1_data_t *")
        self._model.model = _MODEL_V1
        self._model.deliver, self._model.confchg, self._model.totem_confchg = self._callbacks
        self._model.flags = _DELIVER_INITIAL_TOTEM_CONF
        handle = self._ffi.new("cpg_handle_t *")
        _check("cpg_model_initialize", self._lib.cpg_model_initialize(handle, _MODEL_V1, self._model, self._ffi.NULL))
        self._handle = handle[0]

    def fileno(self) -> int:
        """Readable when `dispatch` has something to do, or when the daemon died."""
        fd = self._ffi.new("int *")
        _check("cpg_fd_get", self._lib.cpg_fd_get(self._handle, fd))
        return int(fd[0])

    def local_node_id(self) -> int:
        """The node id that Corosync runs with (may block)."""
        node_id = self._ffi.new("unsigned int *")
        _check("cpg_local_get", self._lib.cpg_local_get(self._handle, node_id))
        return int(node_id[0])

    def join(self, group: str) -> None:
        """Ask to be a member (may block). Raises with TRY_AGAIN while an earlier membership of ours still ends."""
        _check("cpg_join", self._lib.cpg_join(self._handle, self._name(group)))

    def leave(self, group: str) -> None:
        """Ask to be no member any more (may block)."""
        _check("cpg_leave", self._lib.cpg_leave(self._handle, self._name(group)))

    def finalize(self) -> None:
        """Close the handle (may block). Never raises: a dead daemon has closed it for us."""
        self._lib.cpg_finalize(self._handle)

    def send(self, data: bytes) -> bool:
        """Queue a message in the daemon; False when it takes none now (TRY_AGAIN)."""
        buffer = self._ffi.from_buffer(data)
        vector = self._ffi.new("struct iovec *", {"iov_base": self._ffi.cast("void *", buffer), "iov_len": len(data)})
        code = self._lib.cpg_mcast_joined(self._handle, _AGREED, vector, 1)
        if code == Status.TRY_AGAIN:
            return False
        _check("cpg_mcast_joined", code)
        return True

    def dispatch(self, limit: int) -> list[Callback]:
        """What came, in order, at most about `limit` callbacks; the rest keeps `fileno` readable."""
        while len(self._came) < limit:
            code = self._lib.cpg_dispatch(self._handle, _DISPATCH_ONE_NONBLOCKING)
            if code == Status.TRY_AGAIN:
                break
            _check("cpg_dispatch", code)
        came, self._came = self._came, []
        return came

    def _name(self, group: str) -> Any:
        value = group.encode()
        if not 0 < len(value) <= MAX_GROUP_BYTES:
            raise BusError(f"group name {group!r} must have 1 to {MAX_GROUP_BYTES} bytes")
        return self._ffi.new("struct cpg_name *", {"length": len(value), "value": value})

    def _on_deliver(self, _handle: int, _group: Any, node_id: int, pid: int, data: Any, size: int) -> None:
        self._came.append(Message(Member(node_id, pid), bytes(self._ffi.buffer(data, size))))

    def _on_confchg(
        self, _handle: int, _group: Any, members: Any, count: int, left: Any, left_count: int, joined: Any, new: int
    ) -> None:
        listed = tuple(member for member, _ in _addresses(members, count))
        self._came.append(GroupChange(listed, _addresses(left, left_count), _addresses(joined, new)))

    def _on_totem_confchg(self, _handle: int, _ring_id: Any, count: int, nodes: Any) -> None:
        self._came.append(RingChange(frozenset(int(nodes[i]) for i in range(count))))


def _addresses(array: Any, count: int) -> tuple[tuple[Member, Reason], ...]:
    return tuple((Member(array[i].nodeid, array[i].pid), Reason(array[i].reason)) for i in range(count))


def _check(call: str, code: int) -> None:
    if code != Status.OK:
        raise CpgError(call, code)
