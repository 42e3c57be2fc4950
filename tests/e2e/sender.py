"""A client that keeps sending until told to stop, and writes down which Message-IDs were acknowledged.

    python -m tests.e2e.sender --to 198.18.1.41 --threads 4 --rate 60 --seconds 30 --output FILE

One Message-ID a line, written after the 250 that follows the final dot. What was not acknowledged is not tried again:
it may have been taken or not, and nobody was promised anything. A session carries a few messages, so that there always
are new connections; each waits at most 2 s for anything.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import smtplib
import threading
import time
from pathlib import Path
from typing import IO

_PER_SESSION = 10
_PATIENCE_S = 2.0
_RECIPIENT = "someone@example.com"


class Load:
    """Shared by the threads: what to send next, when, and the book of acknowledgements."""

    def __init__(self, address: str, name: str, rate: float, seconds: float, output: IO[str]) -> None:
        self._address = address
        self._name = name
        self._pause_s = 1 / rate
        self._end = time.monotonic() + seconds
        self._output = output
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._next = time.monotonic()

    def run(self) -> None:
        """One thread's work, until the time is over."""
        while time.monotonic() < self._end:
            try:
                self._session()
            except (OSError, smtplib.SMTPException):
                time.sleep(0.05)

    def _session(self) -> None:
        with smtplib.SMTP(self._address, 25, local_hostname="client.example.org", timeout=_PATIENCE_S) as session:
            for _ in range(_PER_SESSION):
                self._wait_for_turn()
                if time.monotonic() >= self._end:
                    return
                identity = f"<{next(self._numbers)}.{self._name}@client.example.org>"
                session.sendmail("sender@client.example.org", [_RECIPIENT], _message(identity))
                with self._lock:
                    self._output.write(identity + "\n")
                    self._output.flush()

    def _wait_for_turn(self) -> None:
        with self._lock:
            now = time.monotonic()
            turn = max(self._next, now)
            self._next = turn + self._pause_s
        time.sleep(turn - now)


def _message(identity: str) -> str:
    head = f"From: <sender@client.example.org>\r\nTo: <{_RECIPIENT}>\r\nMessage-ID: {identity}\r\nSubject: load\r\n"
    return f"{head}\r\n{'A line of text that says little.' + chr(13) + chr(10)}"


def acknowledged(path: Path) -> set[str]:
    """The Message-IDs that got their 250; a line that is being written is left out."""
    return {line.strip() for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")}


def main() -> None:
    parser = argparse.ArgumentParser(description="Send mail and write down what was acknowledged.")
    parser.add_argument("--to", required=True)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--rate", type=float, default=60.0, help="messages a second, over all threads")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--name", default="load", help="part of every Message-ID")
    parser.add_argument("--output", type=Path, required=True)
    parsed = parser.parse_args()
    with parsed.output.open("w") as output:
        load = Load(parsed.to, parsed.name, parsed.rate, parsed.seconds, output)
        threads = [threading.Thread(target=load.run) for _ in range(parsed.threads)]
        for thread in threads:
            thread.start()
        with contextlib.suppress(KeyboardInterrupt):
            for thread in threads:
                thread.join()


if __name__ == "__main__":
    main()
