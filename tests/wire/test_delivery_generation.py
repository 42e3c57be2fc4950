"""What the delivery of a worker takes over from a generation."""

import os
from pathlib import Path

from momentum_node.logs.sink import Hub
from momentum_node.smtp.resolver import Resolver
from momentum_node.spool.delivery import Delivery
from momentum_node.spool.message import Message
from momentum_node.spool.telling import Teller
from tests.support.configuration import loaded


class Here:
    """No other node has anything."""

    def is_elsewhere(self, _binding: str) -> bool:
        return False

    def keeps(self, _message: Message, *, is_new: bool = False) -> bool:
        return False


async def test_delayed_mail_is_looked_at_as_often_as_the_configuration_says() -> None:
    delivery = Delivery({}, Resolver(), lambda _frame: None, Here(), Teller(Hub()), Path(os.devnull))
    for text, pause_s in (("", 15.0), ("Delayed_Queue_Scan_Interval = 3", 3.0)):
        delivery.configure(loaded(text), "mx.test")
        assert delivery.schedule.scan_interval_s == pause_s
    await delivery.close(0.0)
