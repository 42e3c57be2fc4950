"""The report as Prometheus metrics, in the text exposition format (version 0.0.4).

Gauges and counters of one report: nothing is kept between two scrapes, so a restart of this process resets nothing.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate

from momentum_node.status.report import BusReport, Report, TakeoversReport


def render(report: Report | None) -> str:
    """All metrics of a node; without a report only that the core is down."""
    if report is None:
        return _family("momentum_node_core_up", "gauge", "Whether the core answers.", [("", 0)])
    mail = report["mail"]
    held = sum(vip["held"] for vip in report["vips"])
    states = [(f'{{state="{report["state"]}"}}', 1)]
    return "".join(
        [
            _family("momentum_node_core_up", "gauge", "Whether the core answers.", [("", 1)]),
            _family("momentum_node_state", "gauge", "State of the node on the bus.", states),
            _family("momentum_node_is_quorate", "gauge", "Whether addresses may be held.", [("", report["quorate"])]),
            _family("momentum_bus_members", "gauge", "Members of the view.", [("", len(report["members"]))]),
            *_links(report["bus"]),
            _family("momentum_duravip_held", "gauge", "Addresses on this node's NICs.", [("", held)]),
            _transitions(report["transitions"]),
            _takeovers(report.get("takeovers")),
            _family("momentum_mail_workers", "gauge", "Connected mail workers.", [("", mail["workers"])]),
            _family("momentum_mail_sessions", "gauge", "Open SMTP sessions.", [("", mail["sessions"])]),
            _family("momentum_mail_queued_messages", "gauge", "Messages in the spool.", [("", mail["queued"])]),
            _family("momentum_mail_received_total", "counter", "Messages acknowledged.", [("", mail["received"])]),
            _family("momentum_mail_delivered_total", "counter", "Messages delivered.", [("", mail["delivered"])]),
            _family("momentum_mail_failed_total", "counter", "Messages failed for good.", [("", mail["failed"])]),
        ]
    )


def _transitions(counts: Mapping[str, int]) -> str:
    samples = [(f'{{action="{action}"}}', float(count)) for action, count in sorted(counts.items())]
    return _family("momentum_duravip_transitions_total", "counter", "What happened to addresses here.", samples)


def _takeovers(measured: TakeoversReport | None) -> str:
    if measured is None:
        return ""
    name, samples = "momentum_duravip_takeover_seconds", []
    bounds = [*(f"{bound:g}" for bound in measured["bounds"]), "+Inf"]
    for one in measured["seconds"]:
        labels = f'cause="{one["cause"]}",phase="{one["phase"]}"'
        so_far = list(accumulate(one["counts"]))
        samples += [
            (f'_bucket{{{labels},le="{bound}"}}', float(count)) for bound, count in zip(bounds, so_far, strict=True)
        ]
        samples += [(f"_sum{{{labels}}}", one["sum"]), (f"_count{{{labels}}}", float(so_far[-1]))]
    return _family(name, "histogram", "How long addresses took to come here, by phase.", samples)


def _links(bus: BusReport) -> list[str]:
    up = [(f'{{peer="{link["node"]}"}}', float(link["connected"])) for link in bus["links"]]
    down = [(f'{{peer="{link["node"]}"}}', float(link["timesDown"])) for link in bus["links"]]
    return [
        _family("momentum_bus_link_up", "gauge", "Whether this end of a bus link is connected.", up),
        _family("momentum_bus_link_down_total", "counter", "How often it was down since Corosync started.", down),
        _family("momentum_bus_gathers_total", "counter", "Rings formed anew.", [("", bus["gathers"])]),
        _family("momentum_bus_token_losses_total", "counter", "Tokens lost.", [("", bus["tokenLosses"])]),
        _family("momentum_bus_silent_seconds", "gauge", "Nothing of ours came back.", [("", bus["silentSeconds"])]),
        _family("momentum_bus_ignored_messages_total", "counter", "Not understood, or twice.", [("", bus["ignored"])]),
    ]


def _family(name: str, kind: str, meaning: str, samples: Sequence[tuple[str, float]]) -> str:
    lines = [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"]
    return "\n".join(lines + [f"{name}{labels} {float(value):g}" for labels, value in samples]) + "\n"
