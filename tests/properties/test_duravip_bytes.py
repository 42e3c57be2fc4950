"""Whatever comes over the bus, the machine neither raises nor does anything."""

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from momentum_node.bus.contract import Member, ViewChanged
from momentum_node.duravip.machine import DuraVip
from momentum_node.duravip.vip import Identity, Policy

LOCAL = Member(1, 1)
KINDS = ["STATE", "DEFS", "MATURE", "RELEASED", "FAILED", "CLEARED", "DRAIN", "F", "X"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=20) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=20,
)


def member_of_a_group() -> DuraVip:
    machine = DuraVip(Identity("n1", "198.18.0.1", 1), LOCAL, (), Policy())
    machine.on_view(ViewChanged((LOCAL,), frozenset({LOCAL}), frozenset(), frozenset({1})), 0.0)
    return machine


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    member_of_a_group().on_message(LOCAL, data, 1.0)


@given(st.sampled_from(KINDS), st.lists(VALUES, max_size=4), VALUES)
def test_any_body(kind: str, head: list[object], body: object) -> None:
    member_of_a_group().on_message(LOCAL, msgpack.packb([1, kind, *head, body]), 1.0)


@given(st.sampled_from(KINDS), VALUES)
def test_any_body_in_a_good_envelope(kind: str, body: object) -> None:
    member_of_a_group().on_message(LOCAL, msgpack.packb([1, kind, 1, 1, "", body]), 1.0)
