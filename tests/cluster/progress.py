"""One line per long step, with the seconds since the start, on standard error: a person waiting sees what for."""

from __future__ import annotations

import sys
import time

_BEGAN = time.monotonic()


def say(what: str) -> None:
    print(f"[cluster {time.monotonic() - _BEGAN:6.1f} s] {what}", file=sys.stderr, flush=True)
