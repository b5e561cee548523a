"""What the commands do."""

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence

from dev.cluster import debian, exports, faults, lifecycle, machine, programs, viewer
from dev.cluster.lock import held
from dev.cluster.places import Places
from dev.cluster.up import up

# What tests run beside a cluster, and the Debian package that has it where nothing else brought it.
TOOLS = {"ffmpeg": "ffmpeg", "ffprobe": "ffmpeg", "node": "nodejs", "npm": "npm"}

Command = Callable[[argparse.Namespace, Mapping[str, str]], None]


def run(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Carry out one command; raise ClusterError if it cannot be."""
    parsed = _parser().parse_args(arguments)
    if parsed.ours_alone and exports.is_foreign(environ, Places.of(environ)):
        print(f"using the cluster that KUBECONFIG names ({environ['KUBECONFIG']}): nothing to do", file=sys.stderr)
        return
    command: Command = parsed.command
    command(parsed, environ)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dev.cluster", description="A real Kubernetes for development.")
    commands = parser.add_subparsers(required=True)

    def add(name: str, command: Command, promise: str, *, ours_alone: bool = True) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=promise)
        added.set_defaults(command=command, ours_alone=ours_alone)
        return added

    add("up", _up, "bring the cluster up, with this checkout's images")
    add("down", _down, "end it; what was built stays")
    add("env", _env, "print the variables that point at it", ours_alone=False)
    add("stop", _stop, "end one process of the node").add_argument("process")
    add("start", _start, "start it again").add_argument("process")
    add("tools", _tools, "install what tests need beside a cluster", ours_alone=False)
    modules = [module.name for module in programs.ON_REQUEST]
    add("build", _build, "compile a program, print its path", ours_alone=False).add_argument("module", choices=modules)
    return parser


def _up(_: argparse.Namespace, environ: Mapping[str, str]) -> None:
    machine.check(platform=sys.platform, user_id=os.getuid())
    places = Places.of(environ)
    with held(places):
        up(places)


def _down(_: argparse.Namespace, environ: Mapping[str, str]) -> None:
    machine.check(platform=sys.platform, user_id=os.getuid())
    places = Places.of(environ)
    with held(places):
        ended = lifecycle.end(places)
    print("the cluster is down" if ended else "there was no cluster", file=sys.stderr)


def _env(_: argparse.Namespace, __: Mapping[str, str]) -> None:
    print(exports.shell_lines(exports.environment()))


def _stop(parsed: argparse.Namespace, _: Mapping[str, str]) -> None:
    faults.stop(parsed.process)


def _start(parsed: argparse.Namespace, _: Mapping[str, str]) -> None:
    faults.start(parsed.process)


def _build(parsed: argparse.Namespace, _: Mapping[str, str]) -> None:
    print(programs.built(parsed.module) / parsed.module)


def _tools(_: argparse.Namespace, environ: Mapping[str, str]) -> None:
    packages = [package for program, package in TOOLS.items() if not shutil.which(program)]
    if packages:
        print(f"installing {' '.join(packages)}", file=sys.stderr)
        debian.install(Places.of(environ), packages)
    programs.built(programs.VERSITYGW.name)
    viewer.install()
