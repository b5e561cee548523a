"""What the commands do."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence

from dev.cluster import exports, machine, node, programs
from dev.cluster.errors import ClusterError
from dev.cluster.lock import held
from dev.cluster.places import Places
from dev.cluster.processes import Process, plan
from dev.cluster.up import up


def run(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Carry out one command; raise ClusterError if it cannot be."""
    parsed = _parser().parse_args(arguments)
    command: Callable[[Places, argparse.Namespace], None] = parsed.run
    places = Places.of(environ)
    if parsed.changes_cluster and exports.is_foreign(environ, places):
        print(f"KUBECONFIG names a cluster of yours ({environ['KUBECONFIG']}): it is used as it is", file=sys.stderr)
        return
    command(places, parsed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dev.cluster", description="A real Kubernetes for development.")
    commands = parser.add_subparsers(required=True)

    def add(
        name: str, run: Callable[[Places, argparse.Namespace], None], what: str, *, changes: bool = True
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=what)
        command.set_defaults(run=run, changes_cluster=changes)
        return command

    add("up", _up, "bring the cluster up, with this checkout's images")
    add("down", _down, "end it; what was built stays")
    add("env", _env, "print the variables that point at it", changes=False)
    add("start", _start, "start one process of the node again").add_argument("process")
    add("stop", _stop, "end one process of the node").add_argument("process")
    names = [module.name for module in programs.ON_REQUEST]
    add("build", _build, "compile a program, print its path", changes=False).add_argument("module", choices=names)
    return parser


def _up(places: Places, _: argparse.Namespace) -> None:
    machine.check(platform=sys.platform, user_id=os.getuid())
    with held(places):
        up(places)


def _down(places: Places, _: argparse.Namespace) -> None:
    machine.check(platform=sys.platform, user_id=os.getuid())
    with held(places):
        node.end(places)


def _env(_: Places, __: argparse.Namespace) -> None:
    print(exports.shell_lines(exports.environment()))


def _start(places: Places, parsed: argparse.Namespace) -> None:
    running, process = _find(places, parsed.process)
    running.start(process)


def _stop(places: Places, parsed: argparse.Namespace) -> None:
    running, process = _find(places, parsed.process)
    running.stop(process)


def _build(places: Places, parsed: argparse.Namespace) -> None:
    print(programs.build_on_request(parsed.module, places))


def _find(places: Places, name: str) -> tuple[node.Node, Process]:
    running = node.find(places)
    if not running:
        raise ClusterError("there is no cluster: run `make up`")
    wanted = plan(places, programs.homes(places))
    process = wanted.process(name)
    if not process:
        raise ClusterError(f"there is no {name}, only {', '.join(each.name for each in wanted.processes)}")
    return running, process
