"""IPv6 neighbour discovery over Ethernet: a solicitation from nobody, an unsolicited advertisement, and the answers.

 0   destination, source (6 each), 0x86dd                                        (Ethernet II)
14   version 6, payload length, next header 58, hop limit 255, source, destination   (RFC 8200 §3)
54   type 135 or 136, code 0, checksum, flags (R S O), target                    (RFC 4861 §4.3, §4.4)
78   option: type 2 (target link-layer address), length 1, hardware address      (RFC 4861 §4.6.1)
"""

from struct import Struct
from typing import Final

ETHERTYPE: Final = 0x86DD
SOLICITATION, ADVERTISEMENT = 135, 136
OVERRIDE: Final = 0x2000_0000
TARGET_LINK_LAYER: Final = 2
UNSPECIFIED: Final = bytes(16)
ALL_NODES: Final = bytes.fromhex("ff020000000000000000000000000001")
SOLICITED_NODE: Final = bytes.fromhex("ff0200000000000000000001ff")
IPV6: Final = Struct("!IHBB16s16s")
MESSAGE: Final = Struct("!BBHI16s")


def solicitation(mac: bytes, address: bytes) -> bytes:
    """Who has `address`? As duplicate address detection asks: from `::`, nobody learns from it (RFC 4862 §5.4.2)."""
    group = SOLICITED_NODE + address[13:]
    return _frame(mac, UNSPECIFIED, group, MESSAGE.pack(SOLICITATION, 0, 0, 0, address))


def advertisement(mac: bytes, address: bytes) -> bytes:
    """`address` is at `mac`: unsolicited, to all nodes, Override set, so that entries for the old owner are replaced
    (RFC 4861 §7.2.6)."""
    option = bytes((TARGET_LINK_LAYER, 1)) + mac
    return _frame(mac, address, ALL_NODES, MESSAGE.pack(ADVERTISEMENT, 0, 0, OVERRIDE, address) + option)


def directed(mac: bytes, address: bytes, host: bytes) -> bytes:
    """The same for the one host with that hardware address: to all nodes, in a frame for it alone (RFC 6085 §3)."""
    return host + advertisement(mac, address)[6:]


def claim(message: bytes) -> tuple[bytes, bytes] | None:
    """(target, hardware address) of an ICMPv6 neighbour advertisement; None for another message or one that names none.

    The caller checks the hop limit (255, RFC 4861 §7.1.2).
    """
    if len(message) < MESSAGE.size or message[0] != ADVERTISEMENT or message[1] != 0:
        return None
    address = message[8:24]
    at = MESSAGE.size
    while at + 8 <= len(message) and message[at + 1]:
        if message[at] == TARGET_LINK_LAYER and message[at + 1] == 1:
            return address, message[at + 2 : at + 8]
        at += message[at + 1] * 8
    return None


def _frame(mac: bytes, source: bytes, destination: bytes, message: bytes) -> bytes:
    total = checksum(source + destination + len(message).to_bytes(4) + bytes((0, 0, 0, 58)) + message)
    message = message[:2] + total.to_bytes(2) + message[4:]
    header = IPV6.pack(0x6000_0000, len(message), 58, 255, source, destination)
    return b"\x33\x33" + destination[12:] + mac + ETHERTYPE.to_bytes(2) + header + message


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071); `data` has an even length."""
    total = sum(int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
