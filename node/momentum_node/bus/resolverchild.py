"""The resolver as a child of the bus container's first process: started, started again, and heeded."""

import os
import signal
import sys
import time
from collections.abc import Collection
from pathlib import Path

from momentum_node.bus import ringfiles

LEAST_NODES = 3
"""Of two nodes that do not hear each other nobody is between: that is a plain partition."""
PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0
STEADY_S = 60.0
LEAVE, RETURN = signal.SIGUSR1, signal.SIGUSR2


class ResolverChild:
    """`wants_out`: Corosync is to be stopped, and stays so until it is False again."""

    def __init__(self, conf: Path, own_id: int | None, signals: Collection[int]) -> None:
        self._conf = conf
        self._own_id = own_id
        self._signals = tuple(signals)
        self._pid: int | None = None
        self._started = self._not_before = 0.0
        self._pause_s = PAUSE_S
        self.wants_out = False

    def keep(self) -> None:
        """Start it if it does not run and the ring is large enough."""
        if self._pid is not None or self._own_id is None or time.monotonic() < self._not_before:
            return
        self._started = time.monotonic()
        self._not_before = self._started + PAUSE_S
        if len(ringfiles.values(self._conf, "nodeid")) < LEAST_NODES:
            return
        argv = [sys.executable, "-m", "momentum_node.bus.resolving", str(self._conf), str(self._own_id)]
        self._pid = os.posix_spawn(sys.executable, argv, os.environ, setsigmask=(), setsigdef=self._signals)

    def heed(self, received: signal.struct_siginfo | None) -> None:
        """Take a signal of its own; those of others change nothing."""
        if received is not None and received.si_pid == self._pid and received.si_signo in (LEAVE, RETURN):
            self.wants_out = received.si_signo == LEAVE

    def ended(self, pids: Collection[int]) -> None:
        """Children that are gone. Without a resolver nobody would end its wish: it goes with it."""
        if self._pid in pids:
            self._pid, self.wants_out = None, False
            is_steady = time.monotonic() - self._started >= STEADY_S
            self._pause_s = PAUSE_S if is_steady else min(LONGEST_PAUSE_S, 2 * self._pause_s)
            self._not_before = time.monotonic() + self._pause_s

    def stop(self) -> None:
        """End it."""
        if self._pid is not None:
            os.kill(self._pid, signal.SIGTERM)
