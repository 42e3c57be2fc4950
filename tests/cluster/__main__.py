"""The test cluster by hand:

python -m tests.cluster prepare        packages, binaries and images; slow the first time only
python -m tests.cluster images         builds the images and says where they are
python -m tests.cluster up             makes the cluster, or gives the one that is up the images of now
python -m tests.cluster kubectl …      kubectl with that kubeconfig; `helm …` likewise
python -m tests.cluster clients …      a command on the client host; `node n1 …` in a node's network
python -m tests.cluster down           leaves no process, namespace, mount or file

A cluster made by `up` is kept: tests use it and leave it running, until `down`.
"""

from __future__ import annotations

import os
import sys

from tests.cluster import binaries
from tests.cluster.errors import ClusterError
from tests.cluster.hermetic import HermeticCluster
from tests.cluster.images import project_images


def main(arguments: list[str]) -> int:
    """The exit code: 0 when done, 1 when not, 2 for a command that there is not."""
    cluster = HermeticCluster()
    match arguments:
        case ["prepare"]:
            cluster.prepare()
        case ["up"]:
            cluster.up()
            cluster.keep()
            print(f"export KUBECONFIG={cluster.kubeconfig}")
        case ["images"]:
            for image in project_images().values():
                print(image.reference, image.archive)
        case ["down"]:
            cluster.down()
        case ["kubectl", *rest]:
            _become([str(binaries.kubernetes() / "kubectl"), *rest], cluster)
        case ["helm", *rest]:
            _become([str(binaries.helm()), *rest], cluster)
        case ["clients", *rest] if rest:
            _become(cluster.in_clients(rest), cluster)
        case ["node", name, *rest] if rest:
            _become(cluster.in_node(name, rest), cluster)
        case _:
            print(__doc__)
            return 2
    return 0


def _become(command: list[str], cluster: HermeticCluster) -> None:
    if not cluster.kubeconfig.exists():
        raise ClusterError("no cluster is up; start one with `python -m tests.cluster up`")
    os.environ["KUBECONFIG"] = str(cluster.kubeconfig)
    os.execvp(command[0], command)  # noqa: S606 -- to become kubectl is the point


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
