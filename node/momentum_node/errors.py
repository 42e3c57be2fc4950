"""The exception tree of the node, drawn once.

    MomentumError                    anything this package raises on purpose
    ├── ConfigurationError           the text is wrong: carries messages with their places
    ├── BusError                     the group-communication engine refused or vanished
    ├── DriverError                  the kernel or the wire refused what the table asked for
    ├── ProtocolError                a peer (core, worker, supervisor) spoke out of turn
    └── SpoolError                   a message could not be kept, read or removed

Rooms derive their own classes from the branch that fits, next to the code that raises them.
"""


class MomentumError(Exception):
    """Base of everything raised on purpose; `str()` is one line that says what to do."""


class ConfigurationError(MomentumError):
    """A configuration that cannot be used."""


class BusError(MomentumError):
    """The bus engine refused a call or is gone."""


class DriverError(MomentumError):
    """The kernel, the NIC or the wire refused an effect."""


class ProtocolError(MomentumError):
    """A peer process broke the protocol that joins our processes."""


class SpoolError(MomentumError):
    """The spool could not keep, read or remove a message."""
