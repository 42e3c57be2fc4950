"""Another Corosync on this host, or somebody else on the bus's port: found before ours starts, and while it runs.

On the host's network a Corosync of the host itself (Pacemaker, Proxmox) is a rival in three places:

    UDP mcastport        knet binds with SO_REUSEADDR: both start, and one silently takes the other's packets
    abstract sockets     libqb's @cpg, @cmap …: clients meet whichever was first
    corosync.pid         it locks it, and refuses to start without a word of who has it
"""

import contextlib
import fcntl
import sys
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from momentum_node.bus import ringfiles
from momentum_node.config.model import Address

PROC = Path("/proc/net")
PID_FILE = Path("/run/corosync.pid")
PUBLISHED = "problem"
PRIORITY = "priority"
FILE_SOCKETS = Path("/etc/libqb/force-filesystem-sockets")
SERVICES = frozenset({"cfg", "cmap", "cpg", "quorum"})
"""The names under which Corosync serves its clients (corosync_overview(8))."""
_LISTENS = 0x10000  # __SO_ACCEPTCON, linux/net.h


def before_start(conf: Path, own: Address) -> str | None:
    """Why our Corosync must not be started, or None. Ours does not run now."""
    port = _port(conf)
    if port and _users(own, port):
        return (
            f"UDP {own} port {port} is taken by another process of this network: a Corosync of the host? "
            "Stop it, or give one of the two another port (`ss -ulnp` on the host names the process)"
        )
    if not FILE_SOCKETS.exists() and (served := listening(_text("unix")) & SERVICES):
        return f"another Corosync serves clients in this network (abstract socket @{min(served)}): stop it"
    if _is_locked(PID_FILE):
        return f"another Corosync runs here: it has locked {PID_FILE}"
    return None


def while_running(conf: Path, own: Address) -> str | None:
    """What disturbs our running Corosync, or None."""
    port = _port(conf)
    if port and _users(own, port) > 1:
        return (
            f"a second process has bound UDP {own} port {port} and may take packets of the ring: "
            "a Corosync of the host? (`ss -ulnp` on the host names it)"
        )
    return None


def _port(conf: Path) -> int | None:
    return next(map(int, ringfiles.values(conf, "mcastport")), None)


def _users(own: Address, port: int) -> int:
    return bound(_text("udp"), own, port) + bound(_text("udp6"), own, port)


def bound(table: str, own: Address, port: int) -> int:
    """How many sockets of a table such as /proc/net/udp would take datagrams to `own` and `port` (proc_net(5))."""
    count = 0
    for line in table.splitlines()[1:]:
        address, _, hexadecimal = line.split()[1].partition(":")
        found = _decoded(address)
        is_ours = found == own or (found.is_unspecified and found.version in {own.version, 6})
        count += is_ours and int(hexadecimal, 16) == port
    return count


def listening(table: str) -> frozenset[str]:
    """The names of abstract sockets that listen, from /proc/net/unix; padding is left out."""
    rows = (line.split() for line in table.splitlines()[1:])
    return frozenset(
        row[7].strip("@") for row in rows if len(row) > 7 and row[7].startswith("@") and int(row[3], 16) & _LISTENS
    )


def _decoded(text: str) -> Address:
    """The kernel prints 32-bit words in the order of this machine."""
    words: Iterable[bytes] = (bytes.fromhex(text[at : at + 8]) for at in range(0, len(text), 8))
    data = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    return IPv4Address(data) if len(data) == 4 else IPv6Address(data)


def _text(name: str) -> str:
    try:
        return (PROC / name).read_text(errors="replace")
    except OSError:  # a kernel without IPv6
        return ""


def _is_locked(path: Path) -> bool:
    try:
        with path.open("r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # it is not there
        return False
    return False


# -- for reports -----------------------------------------------------------------------------------


def publish(conf: Path, problem: str | None, name: str = PUBLISHED) -> None:
    """Where the node's core reads it: what stops the ring, or (`PRIORITY`) what weakens it."""
    for directory in ringfiles.values(conf, "state_dir"):
        path = Path(directory) / name
        with contextlib.suppress(OSError):  # told again at the next look
            if problem is None:
                path.unlink(missing_ok=True)
            else:
                path.write_text(problem)


def published(conf: Path, name: str = PUBLISHED) -> str | None:
    """What the bus container of this node said last, while it holds."""
    for directory in ringfiles.values(conf, "state_dir"):
        with contextlib.suppress(OSError):
            return (Path(directory) / name).read_text()
    return None
