"""Messages as they stand in queues, without a spool behind them."""

from momentum_node.spool.message import Envelope, Message, Place, Stored


def message(
    name: str = "1",
    *,
    created: float = 0.0,
    retries: int = 0,
    next_attempt: float = 0.0,
    domain: str = "y.test",
) -> Message:
    """To b@y.test, or to b of another domain, from the binding `default`."""
    stored = Stored(Place(0, 0, 0, 0), None, {name}, 1)
    made = Message(name, Envelope(created, "a@x.test", 1), f"b@{domain}", "default", domain, stored, 0)
    made.retries, made.next_attempt = retries, next_attempt
    return made
