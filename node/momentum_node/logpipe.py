"""Where log lines go: standard output or error, which another process reads, or does not.

A reader that stands still fills the pipe (pipe(7)), and who waits for it stands still too: a core would lose its
addresses because a log collector hangs. So a line that cannot be written at once is dropped, and counted.
"""

import os
import select
from contextlib import suppress
from functools import cache
from typing import Final

STDOUT: Final = 1
STDERR: Final = 2
PIECE_BYTES: Final = 4096  # PIPE_BUF: so much is written whole, without waiting, where poll(2) says that there is room


class LogPipe:
    """A text file to write lines to; never waits and never fails."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._room = select.poll()
        self._room.register(self._descriptor, select.POLLOUT)
        self._dropped = 0

    def write(self, text: str) -> None:
        """One line with its end, or none of it, or, where the reader stops just then, its beginning."""
        if self._dropped and self._put(f'level=warning event="log lines were dropped" count={self._dropped}\n'):
            self._dropped = 0
        if self._dropped or not self._put(text):
            self._dropped += 1

    def flush(self) -> None:
        """Nothing is kept back."""

    def _put(self, text: str) -> bool:
        data = text.encode(errors="replace")
        try:
            for at in range(0, len(data), PIECE_BYTES):
                if not self._room.poll(0):
                    return False
                os.write(self._descriptor, data[at : at + PIECE_BYTES])
        except OSError:  # the reader is gone, or its disk is full
            return False
        return True


def never_wait() -> None:
    """For programs of others that are started from here: what they cannot write at once is lost to them too."""
    for descriptor in (STDOUT, STDERR):
        with suppress(OSError):
            os.set_blocking(descriptor, False)


@cache
def log_pipe(descriptor: int) -> LogPipe:
    """The one of this process for `STDOUT` or `STDERR`."""
    return LogPipe(descriptor)
