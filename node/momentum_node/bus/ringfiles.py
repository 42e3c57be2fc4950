"""What corosync.conf says of the ring, for those who stand beside Corosync: nodes, key, timing. Only what we render."""

import re
import socket
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from momentum_node.config.corosync import RingTiming
from momentum_node.config.model import Address
from momentum_node.errors import BusError


@dataclass(frozen=True, slots=True)
class RingFiles:
    """`addresses`: of every node by its id. `key`: the bus key itself."""

    cluster: str
    addresses: dict[int, str]
    port: int
    timing: RingTiming
    key: bytes


def values(conf: Path, option: str) -> list[str]:
    """The values of an option in corosync.conf; none while the file is not there yet."""
    try:
        return re.findall(rf"^\s*{option}:\s*(\S+)\s*$", conf.read_text(), re.MULTILINE)
    except FileNotFoundError:
        return []


def own_node(conf: Path) -> tuple[int, Address] | None:
    """Bus id and address of the node in the list whose address this host has."""
    listed = zip(map(int, values(conf, "nodeid")), map(ip_address, values(conf, "ring0_addr")), strict=False)
    return next((node for node in listed if _is_ours(node[1])), None)


def _is_ours(address: Address) -> bool:
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True


def read(conf: Path) -> RingFiles:
    """Raises `BusError` when a file cannot be read or lacks something."""
    try:
        ids, addresses = map(int, values(conf, "nodeid")), values(conf, "ring0_addr")
        token, consensus, port = (int(values(conf, option)[0]) for option in ("token", "consensus", "mcastport"))
        return RingFiles(
            cluster=values(conf, "cluster_name")[0],
            addresses=dict(zip(ids, addresses, strict=True)),
            port=port,
            timing=RingTiming(token, consensus),
            key=Path(values(conf, "keyfile")[0]).read_bytes(),
        )
    except (OSError, IndexError, ValueError) as error:
        raise BusError(f"{conf}: cannot learn the ring from it: {type(error).__name__} {error}") from None
