"""How many descriptors this process may have. A part of them is for its own work: what clients open ends before it.

Every connection costs one, and a process without any can neither store a message nor ask its core (getrlimit(2)).
"""

import resource
from typing import Final

DEFAULT_MOST: Final = 3_000_000  # Server_Max_File_Descriptors
OWN_PART: Final = 8  # an eighth is kept back,
OWN_MOST: Final = 1024  # and no more than that


def raise_limit(most: int = DEFAULT_MOST) -> int:
    """Let this process open as many as its hard limit allows, at most `most`; how many that are."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return limit


class Descriptors:
    """Whether there are some left for clients; reads the limit once."""

    def __init__(self) -> None:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._for_clients = soft - min(soft // OWN_PART, OWN_MOST)

    def are_short(self, descriptor: int) -> bool:
        """After `descriptor` was opened. The kernel gives the lowest free number, so a high one says that all below it
        are taken."""
        return descriptor >= self._for_clients
