"""A story in a network of its own: a child process with a new network namespace and nothing in it but loopback."""

import asyncio
import ctypes
import os
import subprocess
import traceback
from collections.abc import Callable, Coroutine

CLONE_NEWNET = 0x40000000


def ip(*arguments: str) -> None:
    """Run iproute2's `ip` in the network of this process."""
    subprocess.run(["ip", *arguments], check=True)


def in_own_network(story: Callable[[], Coroutine[object, object, None]]) -> None:
    """Run `story` there; raises `AssertionError` when it failed, with its trace on standard error."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            assert ctypes.CDLL(None).unshare(CLONE_NEWNET) == 0, "the kernel gives us no network namespace"
            ip("link", "set", "lo", "up")
            asyncio.run(story())
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, "the story failed; its trace is on standard error"
