"""The chart in an API server, and the operator's own process with exactly the rights that the chart gives it."""

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import binaries
from tests.cluster_api.apiserver import ApiServer

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "momentum-operator"
NAMESPACE, RELEASE = "momentum-system", "momentum-operator"
VALUES = ["allowedAddresses[0].namespaces={mail}", "allowedAddresses[0].cidrs={198.18.0.0/24}"]


@dataclass(frozen=True)
class Installation:
    """What the chart put there."""

    server: ApiServer
    kubeconfig: Path
    settings: Path

    @contextlib.contextmanager
    def operator(self, log: Path, pod: str = "operator-0") -> Iterator["subprocess.Popen[bytes]"]:
        """`momentum-operator run` as the chart's service account, its output in `log`; `pod` is its name."""
        environment = {
            **os.environ,
            "KUBECONFIG": str(self.kubeconfig),
            "POD_NAMESPACE": NAMESPACE,
            "POD_NAME": pod,
            "MOMENTUM_OPERATOR_HEALTH_PORT": "0",
        }
        command = [sys.executable, "-m", "momentum_operator", "run", "--settings", str(self.settings)]
        with log.open("wb") as output:
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGCONT)  # a test may have frozen it
            process.terminate()
            process.wait(15)

    def guard(self) -> tuple[int, str]:
        """Exit code and words of the hook that runs before the chart is removed."""
        command = [sys.executable, "-m", "momentum_operator", "guard-uninstall"]
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stderr


def chart(*values: str) -> list[dict[str, Any]]:
    """The objects of the chart with these values."""
    sets = [word for value in values for word in ("--set", value)]
    command = [str(binaries.helm()), "template", RELEASE, str(CHART), "--namespace", NAMESPACE, *sets]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [document for document in yaml.safe_load_all(text) if document]


def install(server: ApiServer) -> Installation:
    """Creates namespaces and everything of the chart but its pods; the service account gets a token."""
    for namespace in (NAMESPACE, "mail", "stranger"):
        server.kubectl("create", "namespace", namespace)
    objects = [o for o in chart(*VALUES) if o["kind"] not in {"Deployment", "Job"}]
    server.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))
    for crd in ("momentumclusters", "duravips"):
        server.kubectl("wait", "--for=condition=Established", f"crd/{crd}.momentumcluster.io", "--timeout=30s")
    settings = server.folder / "settings.json"
    text = next(o for o in objects if o["kind"] == "ConfigMap")["data"]["settings.json"]
    settings.write_text(text)
    token = server.kubectl("create", "token", RELEASE, "-n", NAMESPACE).strip()
    return Installation(server, _kubeconfig(server, token), settings)


def _kubeconfig(server: ApiServer, token: str) -> Path:
    authority = base64.b64encode((server.folder / "pki" / "ca.crt").read_bytes()).decode()
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": server.url, "certificate-authority-data": authority}}],
        "users": [{"name": "operator", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "operator"}}],
        "current-context": "test",
    }
    path = server.folder / "operator.kubeconfig"
    path.write_text(json.dumps(document))
    return path
