"""What a node reports of a bus of which there is nothing to report."""

from typing import Final

from momentum_node.status.report import BusReport

QUIET_BUS: Final = BusReport(
    ring=[], links=[], gathers=0, tokenLosses=0, silentSeconds=0, ignored=0, problem=None, key=None
)
