"""`momentum-operator run|render|guard-uninstall`."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from momentum_operator import rendering
from momentum_operator.settings import Settings, SettingsError, read_settings


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 done, 1 the input is wrong, 2 the command line is."""
    parser = argparse.ArgumentParser(prog="momentum-operator", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="watch MomentumClusters and make them true")
    run.add_argument("--settings", type=Path, help="JSON file with the installation's settings")
    run.add_argument("--no-election", action="store_true", help="do not wait for the lease: this is the only replica")
    render = commands.add_parser("render", help="print what a resource becomes, without a cluster")
    render.add_argument("--nodes", required=True, help="NAME=ADDRESS of each node, separated by commas")
    render.add_argument("--output", type=Path, help="write the files that a node mounts into this folder instead")
    render.add_argument("--settings", type=Path, help="JSON file with the installation's settings")
    render.add_argument("file", type=Path, help="YAML file with a MomentumCluster")
    commands.add_parser("guard-uninstall", help="fail while MomentumClusters exist (the chart's hook)")
    options = parser.parse_args(arguments)
    try:
        return _do(options)
    except (rendering.RenderError, SettingsError, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def _do(options: argparse.Namespace) -> int:
    if options.command == "render":
        return _render(options)
    from momentum_operator import service  # noqa: PLC0415 - `render` must not wait for kopf and kubernetes to load

    if options.command == "guard-uninstall":
        return asyncio.run(service.guard_uninstall())
    return asyncio.run(service.run(_settings(options.settings), elected=not options.no_election))


def _render(options: argparse.Namespace) -> int:
    resource = rendering.read_resource(options.file)
    rendered = rendering.render_resource(resource, rendering.parse_nodes(options.nodes), _settings(options.settings))
    for notice in rendered.notices:
        print(f"notice: {notice}", file=sys.stderr)
    if options.output:
        rendering.write_files(rendered, options.output)
    else:
        print(rendering.as_yaml(rendered), end="")
    return 0


def _settings(path: Path | None) -> Settings:
    return read_settings(path.read_text()) if path else Settings()


if __name__ == "__main__":
    sys.exit(main())
