"""ARP for IPv4 over Ethernet: the four frames we send and the one question we ask of those we hear.

 0  6  destination, source (6 each), 0x0806                                            (Ethernet II)
14     hardware type 1, protocol type 0x0800, sizes 6 and 4, operation (1 request, 2 reply)   (RFC 826)
22     sender hardware, sender protocol, target hardware, target protocol address
42     zeros up to 60 bytes, the shortest frame without its check sequence
"""

from struct import Struct
from typing import Final

ETHERTYPE: Final = 0x0806
REQUEST, REPLY = 1, 2
BROADCAST: Final = b"\xff" * 6
UNKNOWN_MAC: Final = bytes(6)
NO_ADDRESS: Final = bytes(4)
SENDER_OFFSET: Final = 28
FRAME: Final = Struct("!6s6sHHHBBH6s4s6s4s18x")


def probe(mac: bytes, address: bytes) -> bytes:
    """Who has `address`? Asked in the name of 0.0.0.0: no neighbour table learns from it (RFC 5227 §2.1.1)."""
    return _frame(mac, REQUEST, NO_ADDRESS, UNKNOWN_MAC, address)


def announcements(mac: bytes, address: bytes) -> tuple[bytes, bytes]:
    """Gratuitous request and reply, sender = target = `address` (RFC 5227 §3).

    Some hosts learn from the one only, some from the other.
    """
    return (
        _frame(mac, REQUEST, address, UNKNOWN_MAC, address),
        _frame(mac, REPLY, address, BROADCAST, address),
    )


def directed(mac: bytes, address: bytes, host: bytes) -> bytes:
    """A gratuitous reply to one host: `address` is at `mac`.

    Sender = target, also in hardware: Linux then replaces an entry that is younger than its locktime (arp_is_garp).
    """
    return FRAME.pack(host, mac, ETHERTYPE, 1, 0x0800, 6, 4, REPLY, mac, address, mac, address)


def claim(frame: bytes) -> tuple[bytes, bytes] | None:
    """(address, hardware address) that the sender of this frame says it has; None for a probe or what is no ARP."""
    if len(frame) < 42:
        return None
    _, _, ethertype, hardware, protocol, hardware_size, protocol_size, _, mac, address, _, _ = FRAME.unpack(
        frame[:60].ljust(60, b"\0")
    )
    if (ethertype, hardware, protocol, hardware_size, protocol_size) != (ETHERTYPE, 1, 0x0800, 6, 4):
        return None
    return None if address == NO_ADDRESS else (address, mac)


def _frame(mac: bytes, operation: int, sender: bytes, target_mac: bytes, target: bytes) -> bytes:
    return FRAME.pack(BROADCAST, mac, ETHERTYPE, 1, 0x0800, 6, 4, operation, mac, sender, target_mac, target)
