"""What nodes declare, written short: the addresses of stories about DuraVIPs."""

import re
from collections.abc import Sequence
from ipaddress import ip_address

from momentum_node.config.model import Address
from momentum_node.duravip.vip import Definition, address_order

SIGNS = {"@": "wanted", "/": "apart", "~": "follow", "=": "binding", "%": "service", "!": "candidates"}


def declared(name: str, vips: Sequence[str]) -> tuple[Definition, ...]:
    """What node `name` declares: `192.0.2.1..7@n1:n1,n2` = these seven, preferred on n1, declared on n1 and n2.

    Before the colon also: `@n1>n2` preferred on n1, then on n2; `@n1+n2` both say it is they; `/g` to be apart from
    others of g; `~192.0.2.1` follows that one; `=b` its binding; `%control` its service; `!n1,n2` who may have it.
    """
    found: dict[Address, Definition] = {}
    for text in vips:
        spec, _, users = text.partition(":") if text.count(":") < 2 else (text, "", "")
        if users and name not in users.split(","):
            continue
        head, *marks = re.split(r"([@/~=%!])", spec)
        said = dict(zip([SIGNS[mark] for mark in marks[::2]], marks[1::2], strict=True))
        for address in _range(head):
            found[address] = _definition(name, address, said)
    return tuple(sorted(found.values(), key=lambda definition: address_order(definition.address)))


def _range(text: str) -> list[Address]:
    first, _, last = text.partition("..")
    low = ip_address(first)
    return [low] if not last else [low + step for step in range(int(last) - (int(low) & 0xFF) + 1)]


def _definition(name: str, address: Address, said: dict[str, str]) -> Definition:
    wanted = said.get("wanted", "").split(">")
    rank = next((at for at, names in enumerate(wanted) if name in names.split("+")), None)
    preference = " ".join(name if name in names.split("+") else names.split("+")[0] for names in wanted)
    return Definition(
        address,
        frozenset({said.get("service", "esmtp")}),
        (said.get("binding", f"b{address}"),),
        claim=rank is not None,
        preference=preference or None,
        rank=rank or 0,
        follow=ip_address(said["follow"]) if "follow" in said else None,
        apart=said.get("apart", ""),
        may_serve="candidates" not in said or name in said["candidates"].split(","),
    )
