"""How a process gives up what root may do: the core calls this first, for it decides and never acts (capabilities(7)).

After it, the process is uid 0 in name only: it opens no privileged port, changes no interface, reads only what the file
modes allow uid 0 to read, and nothing that it executes gets any of it back.
"""

import ctypes
import os
import signal
from typing import Final

from momentum_node.errors import DriverError

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 1, 38, 47, 4
CAPABILITY_VERSION_3: Final = 0x20080522


def drop_privileges() -> None:
    """Give up every capability for good. Raises `DriverError` when the kernel refuses.

    The process also dies with its parent: a core without its supervisor would believe that it still holds addresses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getppid()
    _call(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
    drop_capabilities()


def drop_capabilities() -> None:
    """Every capability, for good, and for everything that is executed from here. Raises `DriverError`."""
    libc = ctypes.CDLL(None, use_errno=True)
    _call(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")
    _call(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "prctl(PR_CAP_AMBIENT)")
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; low words, then high words
    _call(libc.capset(header, nothing), "capset")


def _call(result: int, name: str) -> None:
    if result != 0:
        raise DriverError(f"{name}: {os.strerror(ctypes.get_errno())}")
