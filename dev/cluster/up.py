"""`up`: from a bare machine to a cluster with our images in it; what is there already costs nothing."""

import shutil
import sys
from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from dev.cluster import base, credentials, debian, images, programs
from dev.cluster.boot import boot
from dev.cluster.buildah import Buildah
from dev.cluster.images import Context
from dev.cluster.parts import Parts
from dev.cluster.places import CHECKOUT, Places
from dev.cluster.processes import plan
from dev.cluster.programs import Module

FOR_PEOPLE = ("kubectl", "helm")


def up(places: Places) -> None:
    """Leave a cluster that runs, with this checkout's images in its registry. The lock is the caller's."""
    parts = Parts(sys.stderr)
    shutil.rmtree(places.logs, ignore_errors=True)
    context = Context.copy(CHECKOUT, places.scratch / "context")
    homes = compile_programs(parts, places)
    packages = parts.start("install Debian packages", partial(debian.install, places))
    certificates = parts.start("make certificates", partial(credentials.make, places))
    pause = parts.start("compile pause", partial(base.make_pause, places), after=(packages,))
    built = parts.start("build images", partial(build_images, places, context), after=(packages, pause))

    def start_node() -> None:
        folders = {name: home.result() for name, home in homes.items()}
        link_programs(places, folders)
        boot(places, plan(places, folders))

    node = parts.start("start the node", start_node, after=(packages, certificates, pause, *homes.values()))
    parts.start("push images", partial(push_images, places, built), after=(built, node))
    parts.finish()
    images.remember(images.references(context))


def compile_programs(parts: Parts, places: Places) -> Mapping[str, Future[Path]]:
    """Start compiling: the longest at once, the others one after another beside it."""
    version = programs.go_version()
    homes: dict[str, Future[Path]] = {}

    def start(module: Module, *after: Future[Path]) -> Future[Path]:
        work = partial(programs.build, module, places, go_version=version)
        return parts.start(f"compile {module.name}", work, after=after)

    longest, *others = programs.NEEDED
    homes[longest.name] = start(longest)
    previous: tuple[Future[Path], ...] = ()
    for module in others:
        homes[module.name] = start(module, *previous)
        previous = (homes[module.name],)
    return homes


def build_images(places: Places, context: Context) -> list[str]:
    """Return the references of the images that had to be built."""
    if not images.lacking(places, context):
        return []
    buildah = Buildah.at(places)
    buildah.clean()
    base.store_debian(places, buildah)
    base.store_pause(places, buildah)
    return images.build_all(places, context, buildah)


def push_images(places: Places, built: "Future[list[str]]") -> None:
    """Push what was built."""
    if built.result():
        images.push_all(places, built.result(), Buildah.at(places))


def link_programs(places: Places, homes: Mapping[str, Path]) -> None:
    """Put what a person types into one folder."""
    places.bin.mkdir(parents=True, exist_ok=True)
    for name in FOR_PEOPLE:
        (program,) = (home / name for home in homes.values() if (home / name).exists())
        link = places.bin / name
        link.unlink(missing_ok=True)
        link.symlink_to(program)
