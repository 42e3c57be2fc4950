"""What `inbound_audit` counts: `Monitors = ( "300,6" "1800,4" )`, or `monitor = "300,6"` several times (mta §6)."""

from collections.abc import Iterator
from typing import Final

from momentum_node.config.merge import elements
from momentum_node.config.model import InboundAudit, Monitor
from momentum_node.config.source import Report
from momentum_node.config.tree import Scope

MOST: Final = 10


def read(tree: Scope, report: Report) -> InboundAudit | None:
    """What is to be counted; None: nothing. Monitors with windows of one length are one."""
    scope = tree.only("inbound_audit")
    if scope is None:
        return None
    found: dict[int, Monitor] = {}
    for at, monitor in _monitors(scope):
        before = found.get(monitor.window_s, monitor)
        longer = found[monitor.window_s] = max(before, monitor, key=lambda one: one.windows)
        if before.windows != monitor.windows:
            text = f"two monitors have windows of {monitor.window_s} s: {longer.windows} of them are kept"
            report.warning(at, "V002", text)
        if len(found) > MOST:
            report.error(at, "V002", f"there are more than {MOST} monitors")
            return None
    if scope.value("enabled") is False or not found:
        return None
    interval = scope.value("maintenance_interval")
    every = {"maintenance_interval_s": float(interval)} if isinstance(interval, int) and interval else {}
    return InboundAudit(tuple(found.values()), **every)


def _monitors(scope: Scope) -> Iterator[tuple[int, Monitor]]:
    """With their places."""
    setting = scope.settings.get("monitors")
    if setting is None or not isinstance(setting.decoded, tuple):
        return
    for element, monitor in zip(elements(setting.value), setting.decoded, strict=False):  # fewer where one is wrong
        if isinstance(monitor, Monitor):
            yield element.scalar.at, monitor
