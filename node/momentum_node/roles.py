"""`momentum-node run` outside Kubernetes: the three roles of a node as children of one process.

In Kubernetes each role is a container and this module does nothing. A role that ends is started again; SIGTERM goes
to all, and the node role gets its time to hand the addresses over.
"""

import os
import signal
import subprocess
import sys
import threading
import time

from momentum_node import log

ROLES = ("node", "services", "mail")
STOP_LIMIT_S = 100.0  # the node role hands over addresses for 30 s, then their mail for 60 s
RESTART_S = 0.5


def run() -> int:
    """Start all roles and wait; 0 after SIGTERM."""
    log.configure("run")
    run_directory = os.environ.get("MOMENTUM_RUN", "/run/momentum/node")
    os.makedirs(run_directory, exist_ok=True)  # noqa: PTH103 - pathlib costs 10 ms of a start that a person waits for
    children: dict[str, subprocess.Popen[bytes]] = {}
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stopping.set())
    while not stopping.is_set():
        for role in ROLES:
            child = children.get(role)
            if child is None or child.poll() is not None:
                if child is not None:
                    log.logger().warning("a role ended and is started again", role=role, code=child.returncode)
                children[role] = subprocess.Popen([sys.executable, "-m", "momentum_node", "run", "--role", role])
        stopping.wait(RESTART_S)
    return _stop(children)


def _stop(children: dict[str, subprocess.Popen[bytes]]) -> int:
    """The node role first: its sessions need the mail role until the addresses are handed over."""
    deadline = time.monotonic() + STOP_LIMIT_S
    for role in ROLES:
        child = children[role]
        child.terminate()
        try:
            child.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.logger().error("a role did not end in time and is killed", role=role)
            child.kill()
            child.wait()
    return 0
