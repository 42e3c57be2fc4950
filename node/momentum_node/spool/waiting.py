"""How many messages wait in all queues. Pure."""

from dataclasses import dataclass


@dataclass(slots=True)
class Waiting:
    """The lists of all queues count here what comes and goes: nobody adds up a hundred thousand queues."""

    active: int = 0
    delayed: int = 0
