"""A client that sends mail to one address and writes down which Message-IDs were acknowledged.

    python -m tests.support.sender --to 198.18.0.41 --rate 60 --threads 4 --seconds 30 --output FILE     for a time
    python -m tests.support.sender --to 198.18.0.41 --count 500 --insist --output FILE                   a number

One Message-ID a line, added after the 250 that follows the final dot. What was not acknowledged may have been taken or
not, and nobody was promised anything: it is left, or with --insist tried again until it is acknowledged (exit code 1
when some never were). A session carries a few messages, so that there always are new connections.
"""

import argparse
import itertools
import smtplib
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_PER_SESSION = 10
_PATIENCE_S = 2.0
_HOST = "client.example.org"
_RECIPIENT = "someone@example.com"


class Load:
    """Shared by the threads: what to send next, when, and the book of acknowledgements."""

    def __init__(self, address: str, identities: Iterator[str], end: float, output: IO[str]) -> None:
        self._address = address
        self._identities = identities
        self._end = end
        self._output = output
        self._lock = threading.Lock()
        self._next = time.monotonic()
        self.pause_s = 0.0
        self.insists = False
        self.left: set[str] = set()
        """What was begun and not acknowledged."""

    def run(self) -> None:
        """One thread's work, until everything is sent or the time is over."""
        mine: list[str] = []
        while time.monotonic() < self._end:
            try:
                if not self._session(mine):
                    return
            except (OSError, smtplib.SMTPException):
                if not self.insists:
                    mine.clear()
                time.sleep(0.05)

    def _session(self, mine: list[str]) -> bool:
        """Sends a few messages, `mine` first, which holds the one being sent; False when there is nothing left."""
        with smtplib.SMTP(self._address, 25, local_hostname=_HOST, timeout=_PATIENCE_S) as session:
            for _ in range(_PER_SESSION):
                self._wait_for_turn()
                if time.monotonic() >= self._end or not self._take(mine):
                    return False
                session.sendmail(f"sender@{_HOST}", [_RECIPIENT], _message(mine[0]))
                self._acknowledged(mine.pop())
        return True

    def _take(self, mine: list[str]) -> bool:
        with self._lock:
            if not mine and (new := next(self._identities, None)) is not None:
                mine.append(new)
                self.left.add(new)
        return bool(mine)

    def _acknowledged(self, identity: str) -> None:
        with self._lock:
            self.left.discard(identity)
            self._output.write(identity + "\n")
            self._output.flush()

    def _wait_for_turn(self) -> None:
        with self._lock:
            now = time.monotonic()
            turn = max(self._next, now)
            self._next = turn + self.pause_s
        time.sleep(turn - now)


def _message(identity: str) -> str:
    head = f"From: <sender@{_HOST}>\r\nTo: <{_RECIPIENT}>\r\nMessage-ID: {identity}\r\nSubject: load\r\n"
    return f"{head}\r\nA line of text that says little.\r\n"


def acknowledged(path: Path) -> set[str]:
    """The Message-IDs that got their 250; a line that is being written is left out."""
    return {line.strip() for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")}


def main() -> int:
    parser = argparse.ArgumentParser(description="Send mail and write down what was acknowledged.")
    parser.add_argument("--to", required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0.0, help="messages a second, over all threads; 0: no limit")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--count", type=int, help="how many messages at the most")
    parser.add_argument("--insist", action="store_true", help="try again what was not acknowledged")
    parser.add_argument("--name", default="load", help="part of every Message-ID")
    parser.add_argument("--output", type=Path, required=True)
    parsed = parser.parse_args()
    numbers = itertools.count(1) if parsed.count is None else range(1, parsed.count + 1)
    identities = (f"<{number}.{parsed.name}@{_HOST}>" for number in numbers)
    with parsed.output.open("a") as output:
        load = Load(parsed.to, identities, time.monotonic() + parsed.seconds, output)
        load.pause_s = 1 / parsed.rate if parsed.rate else 0.0
        load.insists = parsed.insist
        threads = [threading.Thread(target=load.run) for _ in range(parsed.threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return 1 if parsed.insist and (load.left or next(identities, None)) else 0


if __name__ == "__main__":
    sys.exit(main())
