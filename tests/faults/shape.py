"""The cluster that faults happen to: how many nodes, which addresses, and its files."""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from tests.support.lab import ip
from tests.support.labcluster import LabCluster
from tests.support.labnode import let_in, nodes_json

STRANGER = 250
"""A host that is no member."""
PREFIX_V6 = "fd00:198:18::"

# Balancing is put off: it would be a second reason for moves. What follows from profile Fast is as the operator
# renders it; everything else is the default.
_CONFIGURATION = """
Hostname = "{name}.example.org"
Relay_Hosts = ( "198.18.0.0/16" "{prefix_v6}/64" )
Gateway = "198.18.0.254:2525"
Retry_Interval = 2
Mail_Workers = 1
{listeners}
Binding "example" {{ Enable_Duravip = true  Bind_Address = "{first}"  Match_Domain = ( "client.example.org" ) }}
cluster {{
  partition_policy = quorum
  cluster_size = {size}
  view_mature_time = {mature_s}
  view_balance_interval = 86400
  duravip_self_drop = 3
  Topology "198.18.0.0/16" {{ interface = "eth0" }}
  Topology "{prefix_v6}/64" {{ interface = "eth0" }}
}}
"""


@dataclass(frozen=True)
class Shape:
    """`nodes` nodes; `vips` IPv4 addresses and one of IPv6. The first two and the IPv6 one are asked every 5 ms.

    `mature_s`: with many addresses long enough for all nodes to be there when they are dealt out.
    """

    nodes: int = 3
    vips: int = 2
    profile: str = "Fast"
    mature_s: int = 1

    @property
    def listed(self) -> Mapping[str, int]:
        """Node names and their bus node ids."""
        return {f"n{number}": number for number in range(1, self.nodes + 1)}

    @property
    def addresses(self) -> list[str]:
        """Every DuraVIP."""
        return [*(str(ip_address("198.18.1.0") + n) for n in range(1, self.vips + 1)), f"{PREFIX_V6}41"]

    @property
    def polled(self) -> list[str]:
        """Those that the client asks."""
        return [self.addresses[0], self.addresses[-1]]

    def files_of(self, name: str) -> Mapping[str, str]:
        """What the operator would mount."""
        bracketed = [f"[{a}]" if ":" in a else a for a in self.addresses]
        listeners = "\n".join(f'ESMTP_Listener {{ Listen "{a}:25" {{ Enable_Duravip = true }} }}' for a in bracketed)
        text = _CONFIGURATION.format(
            name=name,
            listeners=listeners,
            first=self.addresses[0],
            size=self.nodes,
            prefix_v6=PREFIX_V6,
            mature_s=self.mature_s,
        )
        return {"ecelerity.conf": text, "nodes.json": nodes_json(self.listed)}

    @contextmanager
    def cluster(self, directory: Path | None = None) -> Iterator[LabCluster]:
        """It runs, and everybody has an IPv6 address and a place for 10,000 neighbours."""
        with contextlib.ExitStack() as stack:
            if directory is None:
                directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="momentum-faults-")))
            lab = stack.enter_context(
                LabCluster(let_in(directory), "corosync", listed=self.listed, profile=self.profile)
            )
            lab.lab.add("stranger", STRANGER)
            for host in lab.lab.hosts.values():
                # What a network manager does: a host keeps its own IPv6 address when somebody sets the link down.
                host.run("sysctl", "-qw", "net.ipv6.conf.eth0.keep_addr_on_down=1")
                number = host.address.rpartition(".")[2]
                for address in (f"198.18.0.{number}/16", f"{PREFIX_V6}{number}/64"):
                    ip("-n", host.namespace, "address", "replace", address, "dev", "eth0", "nodad")
                ip("-n", host.namespace, "address", "delete", f"198.18.0.{number}/24", "dev", "eth0")
            lab.write(self.files_of)
            lab.start_sink()
            lab.start()
            yield lab


def why_not_whole(cluster: LabCluster, shape: Shape) -> str | None:
    """What is missing until every node is a member that takes mail, all see all, and each address is on one of them."""
    held = [address for node in cluster.nodes.values() for address in node.host.addresses() & set(shape.addresses)]
    if sorted(held) != sorted(shape.addresses):
        return f"{len(held)} addresses of {len(shape.addresses)} are on a NIC"
    for name, node in cluster.nodes.items():
        if (report := node.report()) is None:
            return f"{name} does not report"
        if report["state"] != "RUN" or not report["mail"]["accepting"]:
            return f"{name} is in {report['state']}, {'accepting' if report['mail']['accepting'] else 'no'} mail"
        mature = sorted(member["name"] for member in report["members"] if member["mature"])
        if mature != sorted(shape.listed):
            return f"{name} sees mature members {' '.join(mature)} only"
    return None
