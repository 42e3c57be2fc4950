"""ARP and neighbour discovery, byte by byte."""

from momentum_node.duravip import arp, neighbour

MAC = bytes.fromhex("020000000001")
VIP = bytes((192, 0, 2, 41))
VIP6 = bytes.fromhex("fd770000000000000000000000000041")


def test_a_probe_names_no_sender() -> None:
    frame = arp.probe(MAC, VIP)
    assert len(frame) == 60
    assert frame[:42].hex(" ", 2) == (
        "ffff ffff ffff 0200 0000 0001 0806 0001 0800 0604 0001 0200 0000 0001 0000 0000 0000 0000 0000 c000 0229"
    )
    assert arp.claim(frame) is None


def test_announcements_claim_the_address() -> None:
    request, reply = arp.announcements(MAC, VIP)
    assert (request[21], reply[21]) == (1, 2)
    assert arp.claim(request) == arp.claim(reply) == (VIP, MAC)


def test_what_is_no_arp_claims_nothing() -> None:
    request, _ = arp.announcements(MAC, VIP)
    assert arp.claim(request[:41]) is None
    assert arp.claim(request[:14] + b"\0\6" + request[16:]) is None, "another kind of network"
    assert arp.claim(b"") is None


def test_a_solicitation_comes_from_nobody_to_the_solicited_node_group() -> None:
    frame = neighbour.solicitation(MAC, VIP6)
    assert frame[:14].hex() == "3333ff000041" + MAC.hex() + "86dd"
    assert frame[14:22].hex() == "6000000000183aff"
    assert frame[22:38] == bytes(16)
    assert frame[38:54].hex() == "ff0200000000000000000001ff000041"
    assert frame[54:58].hex()[:4] == "8700"
    assert is_intact(frame)


def test_an_advertisement_overrides() -> None:
    frame = neighbour.advertisement(MAC, VIP6)
    assert frame[:6].hex() == "333300000001"
    assert frame[58:62].hex() == "20000000"
    assert neighbour.claim(frame[54:]) == (VIP6, MAC)
    assert is_intact(frame)


def test_an_advertisement_for_one_host_is_the_same_in_a_frame_for_it_alone() -> None:
    host = bytes.fromhex("020000000077")
    frame = neighbour.directed(MAC, VIP6, host)
    assert frame[:6] == host
    assert frame[6:] == neighbour.advertisement(MAC, VIP6)[6:]
    assert is_intact(frame)


def test_messages_that_name_nobody_claim_nothing() -> None:
    message = neighbour.advertisement(MAC, VIP6)[54:]
    assert neighbour.claim(message[:24]) is None, "no option"
    assert neighbour.claim(message[:20]) is None
    assert neighbour.claim(message[:24] + b"\2\0" + message[26:]) is None, "an option of no length"
    assert neighbour.claim(neighbour.solicitation(MAC, VIP6)[54:]) is None


def is_intact(frame: bytes) -> bool:
    """The checksum over pseudo-header and message comes out as zero."""
    message = frame[54:]
    return neighbour.checksum(frame[22:54] + len(message).to_bytes(4) + b"\0\0\0\x3a" + message) == 0
