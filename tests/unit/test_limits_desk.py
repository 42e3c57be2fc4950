"""What the core says of limits that it cannot judge."""

from structlog.testing import capture_logs

from momentum_node import worker_link as wire
from momentum_node.config.model import Network
from momentum_node.limits.desk import Desk
from momentum_node.limits.sessions import Limits


class CutOff:
    """A cluster of which nothing is heard."""

    def sessions_elsewhere(self, _block: Network) -> int | None:
        return None


def test_while_the_others_are_not_heard_our_own_count_decides_and_that_is_said_once_a_minute() -> None:
    told: list[wire.Answer] = []
    desk = Desk(lambda _link, frame: told.append(frame), other_nodes=CutOff())
    with capture_logs() as lines:
        for number in range(1, 4):
            desk.hear(1, wire.Knock(number, "192.0.2.1", ":25", tuple(Limits(cluster=2, prefix_length=32))))
    assert told == [wire.Admitted(1), wire.Admitted(2), wire.Refused(3)]
    assert desk.denials == {"Cluster_Max_Inbound_Connections": 1}
    assert [line["log_level"] for line in lines] == ["warning"]
