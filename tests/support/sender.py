"""A client that sends mail to one address and writes down what was acknowledged.

    python -m tests.support.sender --to 198.18.0.41 --first 0 --count 500 --output FILE       one Message-ID a line

A message that was not acknowledged is tried again, so all of them are acknowledged in the end, or the exit code is 1.
"""

import argparse
import contextlib
import smtplib
import sys
import time
from pathlib import Path
from typing import IO

PER_SESSION = 50
PATIENCE_S = 2.0
LIMIT_S = 60.0


def send(address: str, identities: list[str], output: IO[str], pause_s: float) -> list[str]:
    """The Message-IDs that were not acknowledged within the limit."""
    left = list(identities)
    deadline = time.monotonic() + LIMIT_S
    while left and time.monotonic() < deadline:
        with contextlib.suppress(OSError, smtplib.SMTPException):
            _one_session(address, left, output, pause_s)
    return left


def _one_session(address: str, left: list[str], output: IO[str], pause_s: float) -> None:
    with smtplib.SMTP(address, 25, local_hostname="client.example.org", timeout=PATIENCE_S) as session:
        for _ in range(min(PER_SESSION, len(left))):
            text = f"From: <a@client.example.org>\r\nTo: <b@example.com>\r\nMessage-ID: {left[0]}\r\n\r\nHello.\r\n"
            session.sendmail("a@client.example.org", ["b@example.com"], text)
            output.write(left.pop(0) + "\n")
            output.flush()
            time.sleep(pause_s)


def main() -> int:
    parser = argparse.ArgumentParser(description="Send mail and write down what was acknowledged.")
    parser.add_argument("--to", required=True)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between two messages")
    parser.add_argument("--output", type=Path, required=True)
    parsed = parser.parse_args()
    identities = [f"<{number}@client.example.org>" for number in range(parsed.first, parsed.first + parsed.count)]
    with parsed.output.open("a") as output:
        left = send(parsed.to, identities, output, parsed.pause)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
