"""Run inside a user and network namespace of its own: a supervisor and its stub core on a veth pair.

Prints one line when everything worked; `python rootless_story.py DIRECTORY`.
"""

import subprocess
import sys
from pathlib import Path

from tests.host.supervised import Supervised, wait_until
from tests.support.lab import Host


class ThisNamespace(Host):
    """The network this process is in already."""

    def command(self, argv: list[str]) -> list[str]:  # type: ignore[override]
        return argv

    def addresses(self) -> set[str]:
        done = subprocess.run(
            ["ip", "-o", "address", "show", "dev", "eth0"], capture_output=True, text=True, check=True
        )
        return {line.split()[3].partition("/")[0] for line in done.stdout.splitlines()}


def main() -> None:
    """Plumb, listen on port 25, unplumb."""
    for words in ("link set lo up", "link add eth0 type veth peer name far", "link set eth0 up", "link set far up"):
        subprocess.run(["ip", *words.split()], check=True)
    with Supervised(ThisNamespace("n1", "", "192.0.2.1"), Path(sys.argv[1])) as node:
        wait_until(lambda: len(node.events("link-up")) >= 2, 3, "the links are up")
        mac, _ = node.do("probe", interface="eth0", address="192.0.2.41")
        assert mac is None
        assert node.do("open", address="192.0.2.41", port=25, floating=True) == "('192.0.2.41', 25)"
        for address in ("192.0.2.41", "fd77::41"):
            node.plumb(address)
            node.do("announce", address=address)
        assert node.host.addresses() >= {"192.0.2.41", "fd77::41"}
        node.do("unplumb", address="192.0.2.41")
        node.do("unplumb", address="fd77::41")
        assert not node.has("192.0.2.41")
        print("plumbed, listening, removed")


if __name__ == "__main__":
    main()
