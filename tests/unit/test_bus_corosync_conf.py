"""corosync.conf: the text of a ring, and the rings that are refused."""

import pytest

from momentum_node.config.corosync import RingError, RingNode, RingTiming, profile_timing, render

THREE = [RingNode(f"n{i}", i, f"198.18.0.{i}") for i in (1, 2, 3)]


def test_the_text_does_not_depend_on_the_order_of_nodes() -> None:
    assert render("c", THREE) == render("c", THREE[::-1])


def test_every_option_has_its_own_line_and_braces_stand_where_corosync_wants_them() -> None:
    for line in render("c", THREE).splitlines():
        text = line.strip()
        assert text == "}" or text.endswith(" {") or ": " in text
        assert "#" not in text


def test_a_node_is_rendered_with_name_id_and_address() -> None:
    text = render("c", THREE, port=5999, keyfile="/k/authkey", state_dir="/s")
    assert "    node {\n        name: n2\n        nodeid: 2\n        ring0_addr: 198.18.0.2\n    }\n" in text
    assert "mcastport: 5999\n" in text
    assert "keyfile: /k/authkey\n" in text
    assert "state_dir: /s\n" in text


def test_the_bus_is_encrypted() -> None:
    assert "crypto_cipher: aes256\n" in render("c", THREE)
    assert "crypto_hash: sha256\n" in render("c", THREE)


@pytest.mark.parametrize(
    ("profile", "count", "token", "consensus"),
    [
        ("Aggressive", 3, 200, 60),
        ("Fast", 3, 300, 360),
        ("Fast", 9, 400, 480),
        ("Balanced", 32, 1000, 1200),
        ("Safe", 3, 3000, 3600),
    ],
)
def test_profiles(profile: str, count: int, token: int, consensus: int) -> None:
    nodes = [RingNode(f"n{i}", i, f"198.18.0.{i}") for i in range(1, count + 1)]
    text = render("c", nodes, profile)
    assert f"    token: {token}\n" in text
    assert "    token_coefficient: 0\n" in text
    assert f"    consensus: {consensus}\n" in text
    assert profile_timing(profile, count).problems() == []


def test_the_timers_that_follow_from_token_and_consensus() -> None:
    fast, balanced = profile_timing("Fast", 3), profile_timing("Balanced", 3)
    assert (fast.resolver_ms, fast.self_drop_ms) == (1500, 3000)
    assert (balanced.resolver_ms, balanced.self_drop_ms) == (4840, 9680)


def test_a_quiet_ring_rests_where_processors_are_not_to_spare() -> None:
    for profile, rests in (("Aggressive", False), ("Fast", True), ("Balanced", True), ("Safe", True)):
        assert ("    seqno_unchanged_const: 1\n" in render("c", THREE, profile)) is rests
    assert "seqno_unchanged_const" not in render("c", THREE, "Aggressive")


@pytest.mark.parametrize("profile", ["Aggressive", "Fast", "Balanced", "Safe"])
@pytest.mark.parametrize("count", [3, 8])
def test_a_held_token_leaves_the_resolver_its_distance(profile: str, count: int) -> None:
    timing = profile_timing(profile, count)
    assert timing.detection_ms + timing.hold_ms + 200 < timing.resolver_ms < timing.self_drop_ms


def test_how_long_corosync_holds_a_token() -> None:
    """As corosync.conf(5) says of its default token of 1000 ms: hold 180 ms."""
    assert profile_timing("Balanced", 3).hold_ms == 180
    assert profile_timing("Fast", 3).hold_ms == 47


def test_a_tie_is_broken_only_where_there_is_a_half() -> None:
    assert "auto_tie_breaker" not in render("c", THREE)
    assert "auto_tie_breaker: 1\n    auto_tie_breaker_node: lowest\n" in render("c", THREE[:2])


def test_one_family_is_named() -> None:
    assert "ip_version: ipv6\n" in render("c", [RingNode("n1", 1, "fd00::1")])


@pytest.mark.parametrize(
    ("nodes", "problem"),
    [
        ([], "1 to 32 nodes, not 0"),
        ([RingNode("n1", 1, "n1.example.com")], "n1.example.com' is not an IP address"),
        ([RingNode("n1", 0, "198.18.0.1")], "id 0"),
        ([RingNode("a b", 1, "198.18.0.1")], "node name 'a b'"),
        ([RingNode("n1", 1, "198.18.0.1"), RingNode("N1", 2, "198.18.0.2")], "same name n1"),
        ([RingNode("n1", 1, "198.18.0.1"), RingNode("n2", 1, "198.18.0.2")], "same id 1"),
        ([RingNode("n1", 1, "fd00::1"), RingNode("n2", 2, "fd00:0::1")], "same address fd00::1"),
        ([RingNode("n1", 1, "198.18.0.1"), RingNode("n2", 2, "fd00::1")], "one family"),
        ([RingNode("n1", 1, "0.0.0.0")], "cannot be the address of a node"),
        ([RingNode(f"n{i}", i, f"198.18.0.{i}") for i in range(1, 18)], "at most 16 nodes"),
    ],
)
def test_rings_that_are_refused(nodes: list[RingNode], problem: str) -> None:
    with pytest.raises(RingError, match=problem):
        render("c", nodes)


def test_nothing_can_be_smuggled_into_the_text() -> None:
    for arguments in ({"keyfile": "/k\n}"}, {"state_dir": "relative"}, {"port": 0}):
        with pytest.raises(RingError):
            render("c", THREE, **arguments)
    with pytest.raises(RingError, match="cluster name"):
        render("c\ntoken: 1", THREE)


def test_an_unknown_profile_names_the_known_ones() -> None:
    with pytest.raises(RingError, match="Aggressive, Fast, Balanced, Safe"):
        render("c", THREE, "fast")


def test_timings_that_do_not_hold_together_say_why() -> None:
    assert "too short for 4 retransmits" in RingTiming(token_ms=120, consensus_ms=144).problems()[0]
    assert "join" in RingTiming(token_ms=300, consensus_ms=40).problems()[0]
    assert "flap" in RingTiming(token_ms=300, consensus_ms=360, knet_ping_timeout_ms=400).problems()[0]
