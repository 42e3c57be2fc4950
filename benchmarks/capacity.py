"""What many sessions and large messages cost one mail worker.

    python benchmarks/capacity.py [--sessions 10000] [--tls 1000] [--megabytes 10] [--senders 4]

Idle sessions: the growth of the worker's resident memory, after EHLO; the same with STARTTLS for fewer of them. Large
messages: their rate from DATA to 250, the body synced before it, and the growth for each session while they come.
The aims: 10,000 sessions below 300 MB; 100 MB/s; less than 1 MiB a session. The server on one core, the client on the
other.
"""

import argparse
import asyncio
import os
import resource
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import mailservers
from benchmarks.memory import resident_mb

HEADER = b"From: <a@x.test>\r\nSubject: large\r\nDate: Mon, 23 Nov 2026 09:00:00 +0000\r\n\r\n"
LINE = b"x" * 76 + b"\r\n"
CONNECTING_AT_ONCE = 100
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def workers_mb(group: mailservers.Cgroup) -> float:
    """Memory of the mail workers."""
    pids = map(int, (group.path / "cgroup.procs").read_text().split())
    return resident_mb(pid for pid in pids if b"--index" in Path(f"/proc/{pid}/cmdline").read_bytes())


async def said(stream: Stream, line: bytes = b"") -> bytes:
    """Say a line; the last line of the answer."""
    stream[1].write(line)
    while (answer := await stream[0].readline())[3:4] == b"-":
        pass
    return answer


async def session(port: int, context: ssl.SSLContext | None, room: asyncio.Semaphore) -> Stream:
    """One that has said EHLO, and is idle from then on."""
    async with room:
        stream = await asyncio.open_connection("127.0.0.1", port)
        greeting = await said(stream)
        if not greeting.startswith(b"220"):
            raise RuntimeError(f"turned away: {greeting!r}")
        await said(stream, b"EHLO idle.test\r\n")
        if context is not None:
            if not (answer := await said(stream, b"STARTTLS\r\n")).startswith(b"220"):
                raise RuntimeError(f"no TLS: {answer!r}")
            await stream[1].start_tls(context)
            await said(stream, b"EHLO idle.test\r\n")
        return stream


async def idle(port: int, count: int, context: ssl.SSLContext | None, group: mailservers.Cgroup) -> float:
    """Megabytes that so many idle sessions take."""
    room = asyncio.Semaphore(CONNECTING_AT_ONCE)
    (await session(port, context, room))[1].close()  # what the first one loads is not of the sessions
    before = workers_mb(group)
    streams = await asyncio.gather(*(session(port, context, room) for _ in range(count)))
    grown = workers_mb(group) - before
    for _, writer in streams:
        writer.transport.abort()
    return grown


async def send_large(port: int, body: bytes) -> float:
    """Seconds from DATA to the 250."""
    stream = await session(port, None, asyncio.Semaphore())
    for line in (b"MAIL FROM:<a@x.test>\r\n", b"RCPT TO:<b@y.test>\r\n"):
        await said(stream, line)
    began = time.monotonic()
    await said(stream, b"DATA\r\n")
    stream[1].write(body)
    await stream[1].drain()
    answer = await said(stream, b".\r\n")
    if not answer.startswith(b"250"):
        raise RuntimeError(f"not taken: {answer!r}")
    stream[1].close()
    return time.monotonic() - began


class Peak:
    """The most memory that the workers take while the block runs, looked at every 20 ms."""

    def __init__(self, group: mailservers.Cgroup) -> None:
        self._group, self._ends = group, threading.Event()
        self.before = self.most = workers_mb(group)
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ends.wait(0.02):
            self.most = max(self.most, workers_mb(self._group))


async def many(port: int, body: bytes, senders: int) -> None:
    """Several of them at the same time."""
    await asyncio.gather(*(send_large(port, body) for _ in range(senders)))


def certificate(folder: Path) -> str:
    """Options that have STARTTLS offered."""
    both = folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=mx.test"]
    subprocess.run([*command, "-keyout", both, "-out", folder / "chain.pem"], check=True, capture_output=True)
    both.write_text(both.read_text() + (folder / "chain.pem").read_text())
    return f'TLS_Certificate = "{both}"\nSMTP_Extensions = ( "STARTTLS" )'


@contextmanager
def server(folder: Path, more: str) -> Iterator[tuple[int, mailservers.Cgroup]]:
    """One worker of ours that delivers nothing."""
    port = mailservers.free_port()
    with mailservers.ours(folder, port, 0, None, options=more) as group:
        yield port, group


def trusting() -> ssl.SSLContext:
    """A client that asks no certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def main() -> None:
    """Print the figures beside their aims."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--tls", type=int, default=1000)
    parser.add_argument("--megabytes", type=int, default=10)
    parser.add_argument("--senders", type=int, default=4)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {mailservers.CLIENT_CORE})
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    body = HEADER + LINE * (arguments.megabytes * (1 << 20) // len(LINE))
    with mailservers.workspace() as folder, server(folder, certificate(folder)) as (port, group):
        grown = asyncio.run(idle(port, arguments.sessions, None, group))
        print(f"{arguments.sessions} idle sessions{grown:>12.0f} MB  {grown / arguments.sessions * 1e3:.1f} kB each")
        grown = asyncio.run(idle(port, arguments.tls, trusting(), group))
        print(f"{arguments.tls} with TLS{grown:>19.0f} MB  {grown / arguments.tls * 1e3:.1f} kB each")
    with mailservers.workspace() as folder, server(folder, "") as (port, group):
        asyncio.run(send_large(port, body))
        rate = max(len(body) / asyncio.run(send_large(port, body)) / 1e6 for _ in range(5))
        print(f"{arguments.megabytes} MiB message, best of 5{rate:>8.0f} MB/s")
        with Peak(group) as peak:
            asyncio.run(many(port, body, arguments.senders))
        each = (peak.most - peak.before) / arguments.senders
        print(f"{arguments.senders} of them at once{each:>16.2f} MB growth for each session")


if __name__ == "__main__":
    main()
