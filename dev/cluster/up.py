"""`up`: from a bare machine to a running cluster with the project's images; existing parts are reused."""

from __future__ import annotations

import os
import shutil
import sys
from functools import partial
from typing import TYPE_CHECKING

from dev.cluster.cache import CHECKOUT, Cache
from dev.cluster.images import base, project, prune
from dev.cluster.images.buildah import Buildah
from dev.cluster.images.project import Context
from dev.cluster.node import certificates, clashes, lifecycle
from dev.cluster.node.node import find
from dev.cluster.node.processes import plan
from dev.cluster.programs import clients, debian, go
from dev.cluster.programs import prune as programs
from dev.cluster.run.tasks import Tasks

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping
    from concurrent.futures import Future
    from pathlib import Path

# Seconds of the tasks on two cores with nothing cached, side by side.
TYPICAL_S = {
    "compile kubernetes": 360.0,
    "compile versitygw": 135.0,
    f"compile {go.OLDEST.name}": 360.0,
    "install Debian packages": 45.0,
    "build images": 195.0,
    "fetch kubectl and Helm": 6.0,
    "start the node": 5.0,
    "push images": 6.0,
}


def up(cache: Cache, interrupted: threading.Event) -> None:
    """Start the cluster with this checkout's images in its registry. The caller holds the lock.

    An interruption leaves the machine as it was: apt ends first, and the node goes if this run began it.
    """
    clashes.check()
    former = find(cache)
    version = go.go_version()
    is_first = not all(go.home(module, cache, go_version=version).exists() for module in go.needed(os.environ))
    # Later, most of a task is cached: nobody knows how much.
    tasks = Tasks(sys.stderr, typical_s=TYPICAL_S if is_first else {})
    if is_first:
        tasks.say("first run of this version on this machine: compiling Kubernetes takes five to ten minutes")
    shutil.rmtree(cache.logs, ignore_errors=True)
    context = Context.copy(CHECKOUT, cache.scratch / "context")
    homes = compile_programs(tasks, cache, go_version=version)
    packages = tasks.start("install Debian packages", partial(debian.install, cache))
    pki = tasks.start("make certificates", partial(certificates.make, cache))
    pause = tasks.start("compile pause", partial(base.make_pause, cache), after=(packages,))
    built = tasks.start("build images", partial(build_images, cache, context), after=(packages, pause))
    node = tasks.start(
        "start the node", partial(start_node, cache, homes, tasks), after=(packages, pki, pause, *homes.values())
    )
    pushed = tasks.start("push images", partial(push_images, cache, built), after=(built, node))
    tasks.start("prune images", partial(prune_images, cache, context), after=(pushed,))
    fetched = tasks.start("fetch kubectl and Helm", partial(clients.install, cache))
    tasks.start("remove old programs", partial(programs.prune, cache), after=(node, fetched))
    try:
        tasks.finish(interrupted)
    except BaseException:
        tasks.stop(packages, node)
        if interrupted.is_set() and (former is None or find(cache) != former):
            lifecycle.end(cache)
        raise
    project.record(project.references(context))
    tasks.say("the cluster is up")


def compile_programs(tasks: Tasks, cache: Cache, *, go_version: str) -> Mapping[str, Future[Path]]:
    """Start to compile what the node needs, in parallel."""
    return {
        module.name: tasks.start(f"compile {module.name}", partial(go.build, module, cache, go_version=go_version))
        for module in go.needed(os.environ)
    }


def start_node(cache: Cache, homes: Mapping[str, Future[Path]], tasks: Tasks) -> None:
    """Start the node, or repair the running one."""
    planned = plan(cache, {name: home.result() for name, home in homes.items()})
    lifecycle.boot(cache, planned, stopped=lambda: tasks.stopped)


def build_images(cache: Cache, context: Context) -> list[str]:
    """Return the references of the images that had to be built."""
    if not project.lacking(cache, context):
        return []
    buildah = Buildah.at(cache)
    buildah.clean()
    base.store_debian(cache, buildah)
    base.store_pause(cache, buildah)
    return project.build_all(cache, context, buildah)


def push_images(cache: Cache, built: Future[list[str]]) -> None:
    """Push what was built."""
    if built.result():
        project.push_all(cache, built.result(), Buildah.at(cache))


def prune_images(cache: Cache, context: Context) -> None:
    """Remove images of earlier builds once there are many."""
    project.mark_used(cache, project.references(context).values())
    if prune.is_due(cache):
        buildah = Buildah.at(cache)
        project.name_stages(context, buildah)
        prune.prune(cache, buildah)
