"""Transactions as their bytes."""

from momentum_node.spool.message import Envelope, Recipient, Transaction
from momentum_node.spool.records import StoredTransaction, decode_transaction, encode_transaction


def read(number: int) -> StoredTransaction:
    """One of many messages of a sender to a domain, as read from a spool."""
    envelope = Envelope(1.0, "news@x.test", 10, received_from="192.0.2.1:4711", received_via="192.0.2.2:25")
    recipient = Recipient(f"00/01-00000-{number:08x}", f"user{number}@y.test", "bulk", "y.test")
    return decode_transaction(b"".join(encode_transaction(Transaction(envelope, (recipient,), b"head"))))


def test_what_many_messages_share_is_in_memory_once() -> None:
    one, two = read(1), read(2)
    for name in ("sender", "protocol", "received_from", "received_via"):
        assert getattr(one.envelope, name) is getattr(two.envelope, name), name
    assert one.recipients[0].binding is two.recipients[0].binding
    assert one.recipients[0].domain is two.recipients[0].domain
    assert one.recipients[0].address != two.recipients[0].address


def test_the_context_of_a_session_comes_back_and_is_in_memory_once() -> None:
    context = (("customer", "17"), ("ehlo_domain", "d\udcfcrr.test"))
    envelope = Envelope(1.0, "news@x.test", 10, context=context)
    one, two = (
        decode_transaction(b"".join(encode_transaction(Transaction(envelope, (Recipient(id_, "", "", ""),), b""))))
        for id_ in ("1", "2")
    )
    assert one.envelope == envelope
    assert one.envelope.context is two.envelope.context
