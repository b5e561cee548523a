"""Command line of the cluster: up, down, env, stop, start, tools, build."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence

from dev.cluster import control, exports
from dev.cluster.cache import Cache
from dev.cluster.errors import CannotRunHereError
from dev.cluster.node import lifecycle
from dev.cluster.programs import debian, go
from dev.cluster.run import interruption, turn
from dev.cluster.up import up

# Programs that tests run without a cluster, and the Debian package of each.
TOOLS = {
    "ffmpeg": "ffmpeg",
    "ffprobe": "ffmpeg",
    "node": "nodejs",
    "npm": "npm",
    "pg_createcluster": "postgresql",
    "jq": "jq",
}
BROWSER = {"chromium": "chromium"}

Command = Callable[[argparse.Namespace, Mapping[str, str]], None]


def run(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Carry out one command; raise ClusterError if it cannot be."""
    parsed = _parser().parse_args(arguments)
    if parsed.own_cluster_only and exports.is_foreign(environ, Cache.of(environ)):
        print(f"using the cluster that KUBECONFIG names ({environ['KUBECONFIG']}): nothing to do", file=sys.stderr)
        return
    command: Command = parsed.command
    command(parsed, environ)


def check_machine(*, platform: str, user_id: int) -> None:
    """Raise CannotRunHereError unless this is Linux and the user is root."""
    if platform != "linux":
        obstacle = f"this is {platform}"
    elif user_id != 0:
        obstacle = "you are not root"
    else:
        return
    raise CannotRunHereError(
        f"The cluster needs Linux and root, and {obstacle}: "
        "start kind, k3d or any other cluster and set KUBECONFIG to it."
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dev.cluster", description="A real Kubernetes for development.")
    commands = parser.add_subparsers(required=True)

    def add(name: str, command: Command, summary: str, *, own_cluster_only: bool = True) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=summary)
        added.set_defaults(command=command, own_cluster_only=own_cluster_only)
        return added

    add("up", _up, "start the cluster, with this checkout's images")
    add("down", _down, "stop the cluster; compiled programs and images stay")
    add("env", _env, "print the variables that point at the cluster", own_cluster_only=False)
    add("stop", _stop, "kill one process of the node").add_argument("process")
    add("start", _start, "start a killed process again").add_argument("process")
    tools = add("tools", _tools, "install the programs that tests need besides a cluster", own_cluster_only=False)
    tools.add_argument("--browser", action="store_true", help="a browser, too")
    turns = add("turn", _turn, "run a command while no other checkout's tests run", own_cluster_only=False)
    turns.add_argument("arguments", nargs=argparse.REMAINDER)
    modules = [module.name for module in go.ON_REQUEST]
    add("build", _build, "compile a program and print its path", own_cluster_only=False).add_argument(
        "module", choices=modules
    )
    return parser


def _up(_: argparse.Namespace, environ: Mapping[str, str]) -> None:
    check_machine(platform=sys.platform, user_id=os.getuid())
    cache = Cache.of(environ)
    with cache.locked(), interruption.noted() as interrupted:
        up(cache, interrupted)


def _down(_: argparse.Namespace, environ: Mapping[str, str]) -> None:
    check_machine(platform=sys.platform, user_id=os.getuid())
    cache = Cache.of(environ)
    with cache.locked():
        ended = lifecycle.end(cache)
    print("the cluster is down" if ended else "there was no cluster", file=sys.stderr)


def _env(_: argparse.Namespace, __: Mapping[str, str]) -> None:
    print(exports.shell_lines(exports.environment()))


def _stop(parsed: argparse.Namespace, _: Mapping[str, str]) -> None:
    control.stop(parsed.process)


def _start(parsed: argparse.Namespace, _: Mapping[str, str]) -> None:
    control.start(parsed.process)


def _turn(parsed: argparse.Namespace, environ: Mapping[str, str]) -> None:
    sys.exit(turn.run(Cache.of(environ), parsed.arguments, environ))


def _build(parsed: argparse.Namespace, _: Mapping[str, str]) -> None:
    print(go.built(parsed.module) / parsed.module)


def _tools(parsed: argparse.Namespace, environ: Mapping[str, str]) -> None:
    wanted = TOOLS | BROWSER if parsed.browser else TOOLS
    packages = [package for program, package in wanted.items() if not shutil.which(program)]
    if packages:
        print(f"installing {' '.join(packages)}", file=sys.stderr)
        with interruption.noted():
            debian.install(Cache.of(environ), packages)
    go.built(go.VERSITYGW.name)
