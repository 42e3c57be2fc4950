"""Who claims which address on the wire: every ARP packet and neighbour advertisement that a host hears.

    python -m tests.support.capture --output FILE        until SIGTERM

One line a claim: {"at": monotonic seconds, "mac": who says so, "address": what it says is there}. Probes claim nothing.
"""

import argparse
import itertools
import json
import select
import signal
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from momentum_node.duravip.rtnetlink import attach_filter

ETH_ALL, ETH_ARP, ETH_IPV6 = 0x0003, 0x0806, 0x86DD
ICMPV6, ADVERTISEMENT = 58, 136
SO_RCVBUFFORCE = 33  # asm-generic/socket.h
BUFFER_BYTES = 64 << 20
PATIENCE_S = 0.4
# What can be a claim (struct sock_filter, linux/filter.h: code, true, false, k): when a node is lost the wire is full
# of probes and mail, and what the kernel drops because nobody reads it in time would be a claim that nobody made.
CLAIMS = (
    (0x28, 0, 0, 12),  # ldh: what it is
    (0x15, 0, 3, ETH_ARP),
    (0x20, 0, 0, 28),  # ld: who says it
    (0x15, 6, 0, 0),  # nobody: a probe
    (0x06, 0, 0, 0xFFFF),
    (0x15, 0, 4, ETH_IPV6),
    (0x30, 0, 0, 20),  # ldb
    (0x15, 0, 2, ICMPV6),
    (0x30, 0, 0, 54),
    (0x15, 1, 0, ADVERTISEMENT),
    (0x06, 0, 0, 0),
    (0x06, 0, 0, 0xFFFF),
)


@dataclass(frozen=True)
class Claim:
    """`mac` said at `at` that it has `address`."""

    at: float
    mac: str
    address: str


def read(path: Path) -> list[Claim]:
    """All claims in a file; a last line cut short is left out."""
    text = path.read_text() if path.exists() else ""
    return [Claim(**json.loads(line)) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def double_claim(claims: Iterable[Claim], address: str, since: float) -> float:
    """The longest time, in seconds, that a host went on claiming after another had begun to (within the patience)."""
    mine = [claim for claim in claims if claim.address == address and claim.at > since]
    overlap = 0.0
    for before, now in itertools.pairwise(mine):
        if before.mac != now.mac:
            late = [c.at - now.at for c in mine if c.mac == before.mac and 0 < c.at - now.at < PATIENCE_S]
            overlap = max(overlap, *late, 0.0)
    return overlap


def claim_of(frame: bytes) -> tuple[str, str] | None:
    """(MAC, address) of a frame that claims one (RFC 826; RFC 4861 §4.4)."""
    kind = int.from_bytes(frame[12:14], "big")
    if kind == ETH_ARP and len(frame) >= 42 and any(frame[28:32]):
        return frame[22:28].hex(), str(IPv4Address(frame[28:32]))
    if kind == ETH_IPV6 and len(frame) >= 78 and frame[20] == ICMPV6 and frame[54] == ADVERTISEMENT:
        return frame[6:12].hex(), str(IPv6Address(frame[62:78]))
    return None


def hear_only_claims(sock: socket.socket) -> None:
    """And none of them lost while nobody reads."""
    attach_filter(sock, CLAIMS)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write down who claims which address.")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--interface", default="eth0")
    parsed = parser.parse_args()
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    with (
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_ALL)) as heard,
        parsed.output.open("w", buffering=1) as output,
    ):
        hear_only_claims(heard)
        heard.bind((parsed.interface, 0))
        while not stop:
            if not select.select([heard], [], [], 0.2)[0]:
                continue
            frame, (_, _, direction, *_) = heard.recvfrom(2048)
            found = claim_of(frame) if direction != socket.PACKET_OUTGOING else None
            if found is not None:
                output.write(json.dumps({"at": time.monotonic(), "mac": found[0], "address": found[1]}) + "\n")


if __name__ == "__main__":
    main()
