"""What the driver of reception needs of its worker."""

from typing import TYPE_CHECKING, Protocol

from momentum_node.smtp.admission import Admission
from momentum_node.smtp.keeping import Spool

if TYPE_CHECKING:
    from momentum_node.smtp.inbound import Inbound


class Reception(Spool, Protocol):
    """The worker."""

    sessions: "set[Inbound]"
    admission: Admission
