"""The tree of counted addresses, as the manual of Momentum 3 shows it (cluster.config.replication)."""

from ipaddress import ip_address, ip_network

from momentum_node.replication.cidrtree import CidrTree

LIVE = {
    "A": {"10.0.0.180": 4, "10.0.0.181": 1},
    "B": {"10.0.0.103": 3, "10.0.0.180": 2, "10.0.0.181": 2},
    "C": {"10.0.0.103": 1, "10.0.0.180": 8, "10.0.0.181": 10},
}
PAST = {
    "A": ["10.0.0.20", "10.0.0.165", "10.0.0.177", "10.200.0.9"],
    "B": ["10.0.0.165", "10.200.0.9"],
    "C": ["10.0.0.20", "10.0.0.177", "10.200.0.9"],
}
GLOBAL = """\
31 10.0.0.0/8
31 10.0.0.0/24
4 10.0.0.0/25
4 10.0.0.103/32
27 10.0.0.160/27
27 10.0.0.176/29
27 10.0.0.180/31
14 10.0.0.180/32
13 10.0.0.181/32
"""
OF_A = """\
5 10.0.0.0/8
5 10.0.0.0/24
5 10.0.0.160/27
5 10.0.0.176/29
5 10.0.0.180/31
4 10.0.0.180/32
1 10.0.0.181/32
"""
OF_B = """\
7 10.0.0.0/8
7 10.0.0.0/24
3 10.0.0.103/32
4 10.0.0.160/27
4 10.0.0.180/31
2 10.0.0.180/32
2 10.0.0.181/32
"""


def tree_of(*nodes: str) -> CidrTree:
    """All that those nodes ever counted: what is past was there before any of it went."""
    tree = CidrTree()
    for node in nodes:
        for text, count in {**LIVE[node], **dict.fromkeys(PAST[node], 1)}.items():
            tree.add(ip_address(text), count)
    for node in nodes:
        for text in PAST[node]:
            tree.add(ip_address(text), -1)
    return tree


def shown(tree: CidrTree) -> str:
    return "".join(f"{size} {block}\n" for block, size in tree.show())


def test_the_example_of_the_manual() -> None:
    assert shown(tree_of("A", "B", "C")) == GLOBAL
    assert shown(tree_of("A")) == OF_A
    assert shown(tree_of("B")) == OF_B


def test_blocks_that_are_not_shown_have_their_sum_too() -> None:
    tree = tree_of("A", "B", "C")
    sums = {"0.0.0.0/0": 31, "10.0.0.180/30": 27, "10.0.0.128/25": 27, "10.0.0.103/32": 4, "10.0.0.104/32": 0}
    assert {block: tree.sum(ip_network(block)) for block in sums} == sums
    assert tree.sum(ip_network("11.0.0.0/8")) == 0
    assert tree.sum(ip_network("::/0")) == 0


def test_a_count_never_goes_below_zero_and_an_empty_tree_shows_nothing() -> None:
    tree = CidrTree()
    one, other = ip_address("192.0.2.1"), ip_address("192.0.2.2")
    tree.add(one, -1)
    tree.add(one, 2)
    tree.add(other, -3)
    tree.add(one, -5)
    assert shown(tree) == ""
    tree.add(other, 1)
    assert shown(tree) == "1 192.0.2.2/32\n"


def test_the_two_halves_of_all_addresses_part_at_the_whole() -> None:
    tree = CidrTree()
    for text in ("10.0.0.1", "200.0.0.1", "::1", "8000::1"):
        tree.add(ip_address(text), 1)
    assert shown(tree).splitlines() == [
        "2 0.0.0.0/0",
        "1 10.0.0.1/32",
        "1 200.0.0.1/32",
        "2 ::/0",
        "1 ::1/128",
        "1 8000::1/128",
    ]
