"""Two whole nodes on one wire that trust each other; the first is preferred for a DuraVIP and for its binding."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.lab import why_no_lab
from tests.support.labcluster import LabCluster
from tests.support.labnode import let_in, nodes_json
from tests.support.nodetls import certify

VIP = "198.18.0.41"
LISTED = {"n1": 1, "n2": 2}
TEXT = """
Hostname = "{name}.example.org"
Relay_Hosts = ( "198.18.0.0/15" )
Gateway = "198.18.0.254:2525"
Host_Failure_Retry = 1
Mail_Workers = 2
{more}
ESMTP_Listener {{ Listen "198.18.0.41:25" {{ Enable_Duravip = true  Duravip_Preference = "n1" }} }}
Binding "moving" {{ Enable_Duravip = true  Bind_Address = "198.18.0.41"  Duravip_Preference = "n1" }}
cluster {{
  view_mature_time = 1  view_balance_interval = 600  duravip_release_grace = 1  duravip_failback_delay = 3600
  Topology "198.18.0.0/24" {{ interface = "eth0" }}
}}
"""


@contextmanager
def node_pair(folder: Path, more: str = "") -> Iterator[LabCluster]:
    """They run, and n1 has the address. `more`: options of the configuration."""
    if (why := why_no_lab()) is not None:
        pytest.skip(why)
    with LabCluster(let_in(folder), "embedded", listed=LISTED) as made:
        made.write(lambda name: {"ecelerity.conf": TEXT.format(name=name, more=more), "nodes.json": nodes_json(LISTED)})
        authority = None
        for node in made.nodes.values():
            authority = certify(node.etc, "lab", authority)
        made.start()
        made.wait_for("every node takes mail", 120, made.accepting)
        made.wait_for("n1 has the address", 60, lambda: made.owner(VIP) == "n1")
        yield made
