"""From the spec to the files that the nodes mount: canonical Momentum 3 configuration, corosync.conf, the node list.

    render(spec, uid, ring)  ->  {"ecelerity.conf": …, "configuration.conf": …, "corosync.conf": …, "nodes.json": …}

`spec.configuration` becomes a file of its own, so that line and column of its errors are those of the resource.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from momentum_node.config.corosync import MAX_NODES, RingNode, RingTiming, profile_timing
from momentum_node.config.corosync import render as render_corosync
from momentum_operator.names import MAIN_FILE, TEXT_FILE, node_name
from momentum_operator.ring import RingMember
from momentum_operator.spec import Binding, Client, ClusterSpec, Listener, Mail, Vip


@dataclass(frozen=True, slots=True)
class Block:
    """`Name "instance" { lines }`."""

    name: str
    instance: str | None
    lines: "tuple[str | Block, ...]"


def render(
    spec: ClusterSpec, uid: str, ring: Sequence[RingMember], arbiter: RingMember | None = None
) -> dict[str, str]:
    """Every file of the ConfigMap but `revision`. Equal input gives equal text, byte for byte.

    Raises `RingError` when no ring can be made of the nodes with this profile.
    """
    members = sorted(ring, key=lambda member: member.node_id)
    nodes = [_listed(member) for member in members]
    files = {MAIN_FILE: main_file(spec, len(members)), **dict(spec.configuration_files)}
    if spec.configuration:
        files[TEXT_FILE] = spec.configuration
    listed = {"cluster": uid, "nodes": nodes, "arbiter": _listed(arbiter) if arbiter else None}
    files["nodes.json"] = json.dumps(listed, indent=2) + "\n"
    on_the_bus = [*members, arbiter] if arbiter else members
    ring_nodes = [RingNode(member.name, member.node_id, member.address) for member in on_the_bus]
    files["corosync.conf"] = render_corosync(uid, ring_nodes, spec.bus.profile) if ring_nodes else ""
    return files


def _listed(member: RingMember) -> dict[str, str | int]:
    entry: dict[str, str | int] = {"name": member.name, "id": member.node_id, "address": member.address}
    wishes = {"cordoned": member.is_cordoned, "draining": member.is_draining}
    return entry | {wish: True for wish, is_wanted in wishes.items() if is_wanted}


def digest(files: Mapping[str, str]) -> str:
    """One digest of all files, their names included, as 64 hex digits."""
    return hashlib.sha256(json.dumps(dict(files), sort_keys=True).encode()).hexdigest()


def main_file(spec: ClusterSpec, cluster_size: int) -> str:
    """The text of ecelerity.conf for a cluster of so many nodes."""
    blocks: list[str | Block] = [*_common(spec), *_listeners(spec), *_bindings(spec), _cluster(spec, cluster_size)]
    if spec.configuration:
        blocks.append(f'include "{TEXT_FILE}"')
    head = "# Written by momentum-operator from the fields of the MomentumCluster; changes here are lost.\n"
    return head + "\n".join(_lines(blocks, 0)) + "\n"


def _common(spec: ClusterSpec) -> list[str]:
    return [*_option("Hostname", spec.hostname), *_mail(spec.mail)]


def _mail(mail: Mail) -> list[str]:
    return [
        *_array("Relay_Hosts", mail.relay_networks),
        *_array("Relay_Domains", mail.relay_domains),
        *_option("Gateway", mail.gateway),
        *_option("Max_Message_Size", mail.max_message_size_bytes),
        *_option("Mail_Workers", mail.workers),
        *_option("Retry_Interval", mail.retry_interval_s),
        *_option("Max_Retry_Interval", mail.max_retry_interval_s),
        *_option("Message_Expiration", mail.expiration_s),
    ]


def _listeners(spec: ClusterSpec) -> list[Block]:
    vips = {vip.name: vip for vip in spec.vips}
    listens = [_listen(listener, vips[name]) for listener in spec.listeners for name in listener.vips]
    return [Block("ESMTP_Listener", None, tuple(listens))] if listens else []


def _listen(listener: Listener, vip: Vip) -> Block:
    host = f"[{vip.address}]" if vip.address.version == 6 else str(vip.address)
    options = [*_movable(vip), *_option("Listen_Backlog", listener.backlog)]
    return Block("Listen", f"{host}:{listener.port}", (*options, *map(_peer, listener.clients)))


def _movable(vip: Vip) -> list[str]:
    preferred = " ".join(node_name(name) for name in vip.preferred_nodes)
    return ["Enable_Duravip = true", *_option("Duravip_Preference", preferred or None)]


def _peer(client: Client) -> Block:
    options = [
        *_option("Idle_Time", client.idle_timeout_s),
        *_option("Banner_Hostname", client.banner_hostname),
        *_option("Max_Message_Size", client.max_message_size_bytes),
        *_option("Max_Recipients_Per_Message", client.max_recipients),
        *({"Open": ["Open_Relay = true"], "Restricted": ["Open_Relay = false"]}.get(client.relay or "", [])),
    ]
    return Block("Peer", str(client.network), tuple(options))


def _bindings(spec: ClusterSpec) -> list[Block]:
    vips = {vip.name: vip for vip in spec.vips}
    return [_binding(binding, vips[binding.vip]) for binding in spec.bindings]


def _binding(binding: Binding, vip: Vip) -> Block:
    options = [
        *_movable(vip),
        *_option("Bind_Address", str(vip.address)),
        *_option("EHLO_Hostname", binding.ehlo_hostname),
        *_option("Gateway", binding.gateway),
        *_array("Match_Domain", binding.match_domains),
    ]
    return Block("Binding", binding.name, tuple(options))


def _cluster(spec: ClusterSpec, size: int) -> Block:
    policy = {"Majority": "quorum", "AllSides": "both"}[spec.bus.partition_policy]
    timing = profile_timing(spec.bus.profile, size) if size else None
    # Without a node nobody reads this yet; were it read, it must be a number that no few nodes are a majority of.
    cluster_size = size or MAX_NODES
    options = [
        *_option("cluster_group", "ec_cluster"),
        *_option("control_group", "ec_console"),
        f"partition_policy = {policy}",
        *_option("cluster_size", cluster_size),
        *([] if timing is None else _timing(timing)),
        *_option("duravip_failback_delay", spec.failback_delay_s),
        *_option("duravip_release_grace", spec.release_grace_s),
        *_weights(spec.weights),
    ]
    topologies = [
        Block(
            "Topology",
            str(entry.network),
            (
                *_option("interface", entry.interface),
                *_option("cidrmask", str(entry.prefix_length)),
                *_option("probe_gateway", str(entry.probe_gateway) if entry.probe_gateway else None),
            ),
        )
        for entry in spec.networks
    ]
    return Block("cluster", None, (*options, *topologies))


def _weights(weights: Iterable[tuple[str, int]]) -> list[str]:
    pairs = " ".join(f"{quoted(name)} = {weight}" for name, weight in weights)
    return [f"duravip_weights = [ {pairs} ]"] if pairs else []


def _timing(timing: RingTiming) -> list[str]:
    """What follows from the profile, in whole seconds; a silence is never judged too early."""
    self_drop_s = -(-timing.self_drop_ms // 1000)
    return [*_option("view_mature_time", timing.mature_ms // 1000), *_option("duravip_self_drop", self_drop_s)]


def _option(name: str, value: str | int | None) -> list[str]:
    if value is None:
        return []
    return [f"{name} = {value}" if isinstance(value, int) else f"{name} = {quoted(value)}"]


def _array(name: str, values: Iterable[str]) -> list[str]:
    texts = [quoted(value) for value in values]
    return [f"{name} = ( {' '.join(texts)} )"] if texts else []


def quoted(text: str) -> str:
    """`text` as a double-quoted string of the language (any other backslash pair would be kept as it is)."""
    escaped = (
        text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    )
    return f'"{escaped}"'


def _lines(items: Iterable[str | Block], depth: int) -> Iterable[str]:
    indent = "  " * depth
    for item in items:
        if isinstance(item, str):
            yield indent + item
        elif not item.lines:
            yield indent + _head(item) + " {}"
        else:
            yield indent + _head(item) + " {"
            yield from _lines(item.lines, depth + 1)
            yield indent + "}"


def _head(block: Block) -> str:
    return f"{block.name} {quoted(block.instance)}" if block.instance is not None else block.name
