"""`up`: from a bare machine to a cluster with our images in it; what is there already costs nothing."""

import shutil
import sys
from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from dev.cluster import base, credentials, debian, images, programs, prune
from dev.cluster.boot import boot
from dev.cluster.buildah import Buildah
from dev.cluster.images import Context
from dev.cluster.parts import Parts
from dev.cluster.places import CHECKOUT, Places
from dev.cluster.processes import plan
from dev.cluster.programs import Module


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
    inside = [home for name, home in homes.items() if name != programs.HELM.name]
    node = parts.start(
        "start the node", partial(start_node, places, homes), after=(packages, certificates, pause, *inside)
    )
    pushed = parts.start("push images", partial(push_images, places, built), after=(built, node))
    parts.start("prune images", partial(prune_images, places, context), after=(pushed,))
    parts.start("link kubectl and helm", partial(link_programs, places, homes), after=tuple(homes.values()))
    parts.finish()
    images.remember(images.references(context))
    parts.say("the cluster is up")


def compile_programs(parts: Parts, places: Places) -> Mapping[str, Future[Path]]:
    """Start compiling: the longest at once, the others one after another beside it."""
    version = programs.go_version()
    longest, *others = programs.NEEDED
    if not programs.home(longest, places, go_version=version).exists():
        parts.say(
            "the first time on a machine: compiling Kubernetes takes five to ten minutes, all else goes beside it"
        )

    def start(module: Module, *after: Future[Path]) -> Future[Path]:
        work = partial(programs.build, module, places, go_version=version)
        return parts.start(f"compile {module.name}", work, after=after)

    homes = {longest.name: start(longest)}
    previous: tuple[Future[Path], ...] = ()
    for module in others:
        homes[module.name] = start(module, *previous)
        previous = (homes[module.name],)
    return homes


def start_node(places: Places, homes: Mapping[str, "Future[Path]"]) -> None:
    """Start the node, or mend the one that runs."""
    boot(places, plan(places, {name: home.result() for name, home in homes.items() if name != programs.HELM.name}))


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


def prune_images(places: Places, context: Context) -> None:
    """Throw away what earlier builds left, once there is much of it."""
    images.mark_used(places, images.references(context).values())
    if prune.is_due(places):
        buildah = Buildah.at(places)
        images.name_stages(context, buildah)
        prune.prune(places, buildah)


def link_programs(places: Places, homes: Mapping[str, "Future[Path]"]) -> None:
    """Put what a person types into one folder."""
    places.bin.mkdir(parents=True, exist_ok=True)
    for program in (homes["kubernetes"].result() / "kubectl", homes["helm"].result() / "helm"):
        link = places.bin / program.name
        if not (link.is_symlink() and link.readlink() == program):
            link.unlink(missing_ok=True)
            link.symlink_to(program)
