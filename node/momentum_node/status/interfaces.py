"""The NICs of this network namespace and their addresses, read from the kernel (no privilege needed)."""

import ipaddress
import socket

from pyroute2 import IPRoute

from momentum_node.status.report import InterfaceReport

IFF_UP = 0x1  # linux/if.h
IFF_RUNNING = 0x40


def read() -> list[InterfaceReport]:
    """Every NIC but loopback, by name; addresses with their prefix length, sorted as text."""
    with IPRoute() as kernel:
        links = [(link["index"], link.get("IFLA_IFNAME"), link["flags"]) for link in kernel.get_links()]
        addresses: dict[int, list[str]] = {}
        for entry in kernel.get_addr():
            text = entry.get("IFA_LOCAL") or entry.get("IFA_ADDRESS")
            if entry["family"] in (socket.AF_INET, socket.AF_INET6) and not ipaddress.ip_address(text).is_link_local:
                addresses.setdefault(entry["index"], []).append(f"{text}/{entry['prefixlen']}")
    both = IFF_UP | IFF_RUNNING
    return [
        InterfaceReport(name=name, up=flags & both == both, addresses=sorted(addresses.get(index, [])))
        for index, name, flags in links
        if name != "lo"
    ]
