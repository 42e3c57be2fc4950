"""Kubernetes and Helm, built from their published Go modules and kept by version.

All of Kubernetes is one program that picks its component by the name it is started under (`argv[0]`), as busybox
does: one link step instead of six. Kubernetes 1.35 is the last line that works with containerd 1.6 and cgroup v1, both
of which Debian 12 machines have. Helm 4 wants newer Kubernetes libraries, so it is a module of its own.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.paths import cache_dir, complete, locked
from tests.cluster.progress import say
from tests.cluster.toolchain import go_program

KUBERNETES = "1.35.4"
HELM = "4.3.1"
COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")

_MAIN_GO = """\
// One program with every Kubernetes component that the test cluster runs, chosen by the name it is started under.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	_ "k8s.io/client-go/plugin/pkg/client/auth"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

func main() {
	var command *cobra.Command
	switch name := filepath.Base(os.Args[0]); name {
	case "kube-apiserver":
		command = apiserver.NewAPIServerCommand()
	case "kube-controller-manager":
		command = controllers.NewControllerManagerCommand()
	case "kube-scheduler":
		command = scheduler.NewSchedulerCommand()
	case "kubelet":
		command = kubelet.NewKubeletCommand(context.Background())
	case "kube-proxy":
		command = proxy.NewProxyCommand()
	case "kubectl":
		if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
			util.CheckErr(err)
		}
		return
	default:
		fmt.Fprintf(os.Stderr, "no Kubernetes component is called %q\\n", name)
		os.Exit(2)
	}
	os.Exit(cli.Run(command))
}
"""

# `tools.go` in Helm's module: names the command so that `go mod tidy` keeps what it needs.
_HELM_GO = """\
//go:build tools

package tools

import _ "helm.sh/helm/v4/cmd/helm"
"""


def kubernetes() -> Path:
    """The folder with one executable per name of COMPONENTS; builds it when the cache does not have it."""
    return _cached(f"kubernetes-{KUBERNETES}", _build_kubernetes, "about 9 minutes on 2 cores, once per machine")


def helm() -> Path:
    """The `helm` executable; builds it when the cache does not have it."""
    return _cached(f"helm-{HELM}", _build_helm, "about 4 minutes on 2 cores, once per machine") / "helm"


def are_built() -> bool:
    """Whether both are in the cache."""
    return all((cache_dir() / name).exists() for name in (f"kubernetes-{KUBERNETES}", f"helm-{HELM}"))


def _cached(name: str, build: object, cost: str) -> Path:
    place = cache_dir() / name
    if place.exists():
        return place
    assert callable(build)
    with locked(name):
        if not place.exists():
            say(f"building {name} ({cost})")
            began = time.monotonic()
            with complete(place) as part:
                build(part)
            say(f"built {name} in {time.monotonic() - began:.0f} s")
    return place


def _build_kubernetes(into: Path) -> None:
    go = go_program((1, 25))
    source = into / "source"
    source.mkdir()
    (source / "main.go").write_text(_MAIN_GO)
    (source / "go.mod").write_text(_kubernetes_go_mod(go, source))
    _go(go, source, "mod", "tidy")
    major, minor, _ = KUBERNETES.split(".")
    version = "k8s.io/component-base/version"
    stamp = f"-X {version}.gitVersion=v{KUBERNETES} -X {version}.gitMajor={major} -X {version}.gitMinor={minor}"
    _go(go, source, "build", "-trimpath", "-ldflags", f"-s -w {stamp}", "-o", str(into / "kubernetes"), ".")
    for component in COMPONENTS:
        (into / component).symlink_to("kubernetes")


def _kubernetes_go_mod(go: Path, source: Path) -> str:
    """Kubernetes asks for its staging modules as v0.0.0 of its own tree; published, they are called v0.MINOR.PATCH."""
    (source / "go.mod").write_text("module momentum-test-kubernetes\n")
    where = _go(go, source, "mod", "download", "-json", f"k8s.io/kubernetes@v{KUBERNETES}")
    found = re.search(r'"GoMod":\s*"([^"]+)"', where)
    if not found:
        raise ClusterError(f"Go said nothing of k8s.io/kubernetes v{KUBERNETES}: {where}")
    upstream = Path(found[1]).read_text()
    staging = re.findall(r"^\s*(k8s\.io/\S+) => \./staging/", upstream, re.MULTILINE)
    go_line = re.search(r"^go \S+$", upstream, re.MULTILINE)
    published = "v0." + KUBERNETES.split(".", 1)[1]
    lines = ["module momentum-test-kubernetes", go_line[0] if go_line else "go 1.25.0"]
    lines.append(f"require k8s.io/kubernetes v{KUBERNETES}")
    lines.extend(f"replace {module} => {module} {published}" for module in staging)
    return "\n".join(lines) + "\n"


def _build_helm(into: Path) -> None:
    go = go_program((1, 26))
    source = into / "source"
    source.mkdir()
    (source / "tools.go").write_text(_HELM_GO)
    (source / "go.mod").write_text(f"module momentum-test-helm\n\ngo 1.26.0\n\nrequire helm.sh/helm/v4 v{HELM}\n")
    _go(go, source, "mod", "tidy")
    _go(go, source, "build", "-trimpath", "-ldflags", "-s -w", "-o", str(into / "helm"), "helm.sh/helm/v4/cmd/helm")


def _go(go: Path, source: Path, *arguments: str) -> str:
    """Runs Go at low priority, its output kept in source/go.log; returns what it printed on standard output."""
    environment = dict(os.environ, CGO_ENABLED="0", GOFLAGS="-buildvcs=false", GOWORK="off", GOTOOLCHAIN="local")
    log = source / "go.log"
    with log.open("a") as errors:
        done = subprocess.run(
            ["nice", "-n", "10", str(go), *arguments],
            cwd=source,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            check=False,
        )
    if done.returncode:
        tail = "\n".join(log.read_text().splitlines()[-15:])
        raise ClusterError(f"go {arguments[0]} failed in {source} (whole log: {log}):\n{tail}")
    return done.stdout
