"""Windows of `inbound_audit` as they are written: `Monitors = ( "300,6" "1800,4" )`, or `monitor = "300,6"` as often as
one likes (mta §6): so many seconds each, and how many complete ones are kept behind the current one.
"""

import re
from collections.abc import Iterator
from typing import Final

from momentum_node.config.merge import elements
from momentum_node.config.model import InboundAudit, Monitor
from momentum_node.config.source import Report
from momentum_node.config.tree import Scope

LONGEST_WINDOW_S: Final = 31 * 86_400
MOST_WINDOWS: Final = 1_000
MOST_MONITORS: Final = 10
_FORM: Final = re.compile(r"\s*([0-9]{1,9})\s*,\s*([0-9]{1,9})\s*\Z")


def read(tree: Scope, report: Report) -> InboundAudit | None:
    """What `inbound_audit` is to count; None: nothing. Windows that cannot be are errors, also of a disabled module."""
    scope = tree.only("inbound_audit")
    if scope is None:
        return None
    widest: dict[int, Monitor] = {}
    for at, monitor in _monitors(scope, report):
        known = widest.setdefault(monitor.window_s, monitor)
        if known.windows != monitor.windows:
            most = widest[monitor.window_s] = max(known, monitor, key=lambda one: one.windows)
            text = f"two monitors have windows of {monitor.window_s} s: {most.windows} of them are kept"
            report.warning(at, "V002", text)
        if len(widest) == MOST_MONITORS + 1:
            report.error(at, "V002", f"there are more than {MOST_MONITORS} monitors")
            return None
    if scope.value("enabled") is False or not widest:
        return None
    interval = scope.value("maintenance_interval")
    every = {"maintenance_interval_s": float(interval)} if isinstance(interval, int) and interval else {}
    return InboundAudit(tuple(widest.values()), **every)


def _monitors(scope: Scope, report: Report) -> Iterator[tuple[int, Monitor]]:
    for name in ("monitors", "monitor"):
        setting = scope.settings.get(name)
        for element in elements(setting.value) if setting is not None else ():
            text, at = element.scalar.text, element.scalar.at
            try:
                yield at, _monitor(text)
            except ValueError as wrong:
                report.error(at, "V001", f"'{text}' is no monitor: {wrong}", 'write "SECONDS,WINDOWS", as "300,6"')


def _monitor(text: str) -> Monitor:
    found = _FORM.match(text)
    if found is None:
        raise ValueError("it is not a number of seconds, a comma, and a number of windows")
    window_s, windows = map(int, found.groups())
    if not 1 <= window_s <= LONGEST_WINDOW_S:
        raise ValueError(f"a window has 1 to {LONGEST_WINDOW_S} seconds, not {window_s}")
    if not 1 <= windows <= MOST_WINDOWS:
        raise ValueError(f"1 to {MOST_WINDOWS} windows are kept, not {windows}")
    return Monitor(window_s, windows)
