"""What the core asks for one address at a time, the kernel is asked for together."""

from hypothesis import given
from hypothesis import strategies as st

from momentum_node.duravip.batches import batches
from momentum_node.duravip.records import Kind, Record

ADDRESSES = [bytes([192, 0, 2, number]) for number in range(4)]
RECORDS = st.builds(
    Record,
    kind=st.sampled_from([Kind.OPEN, Kind.ADD, Kind.ANNOUNCE, Kind.REMOVE, Kind.QUIET]),
    id=st.integers(1, 1000),
    address=st.sampled_from([*ADDRESSES, b""]),
)


def test_addresses_that_come_together_share_a_batch() -> None:
    asked = [Record(kind, address=address) for address in ADDRESSES for kind in (Kind.OPEN, Kind.ADD, Kind.ANNOUNCE)]
    assert [(kind, len(group)) for kind, group in batches(asked)] == [
        (Kind.OPEN, 4),
        (Kind.ADD, 4),
        (Kind.ANNOUNCE, 4),
    ]


@given(st.lists(RECORDS))
def test_each_address_keeps_its_order_and_what_concerns_none_stays_where_it_was(asked: list[Record]) -> None:
    done = [(kind, record) for kind, group in batches(asked) for record in group]
    assert all(kind is record.kind for kind, record in done)
    for address in ADDRESSES:
        kept = [record for record in asked if record.address in (address, b"")]
        assert [record for _, record in done if record.address in (address, b"")] == kept
    assert len(done) == len(asked)
