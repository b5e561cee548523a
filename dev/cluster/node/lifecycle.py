"""Start and end of the node: `boot` leaves one that is ready, `end` removes all that any run left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dev.cluster import addresses
from dev.cluster.errors import ClusterError, NotReadyError, StoppedError
from dev.cluster.images.base import pause_program
from dev.cluster.node import cgroups, clashes, network, s3
from dev.cluster.node.api_server import Api
from dev.cluster.node.cgroups import Cgroups
from dev.cluster.node.node import INIT, Node, find, groups_to_live_in, launcher_record, script
from dev.cluster.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dev.cluster.cache import Cache
    from dev.cluster.node.processes import Plan

# A new node takes five seconds, on a busy machine twenty. A running one that does not answer is broken.
FRESH_TIMEOUT_S = 60.0
REPAIR_TIMEOUT_S = 10.0
START_TIMEOUT_S = 20.0
PATIENCE_S = 1.0
# Folders of one run of the node. Not containerd's: its images spare the next run a pull.
_OF_ONE_RUN = ("etc", "logs", "s3", "var")
_FORMER_LOGS = "logs-of-the-former-run"


def boot(cache: Cache, plan: Plan, *, stopped: Callable[[], bool] = lambda: False) -> None:
    """Leave a ready node: the running one, repaired if need be, or a new one.

    `stopped`: no longer wanted; StoppedError then, and a new node that is not ready is gone.
    """
    if _repaired(cache, plan, stopped):
        return
    end(cache)
    try:
        _ready(cache, plan, begin(cache, plan), timeout_s=FRESH_TIMEOUT_S, stopped=stopped)
    except StoppedError:
        end(cache)
        raise


def begin(cache: Cache, plan: Plan) -> Node:
    """Start a fresh node, without processes yet."""
    clashes.check()
    _lay_out(cache, plan)
    groups = Cgroups.of_this_process()
    _make_groups(cache, groups)
    _launch(cache, groups)
    until(lambda: _has_mounts(cache), timeout_s=START_TIMEOUT_S, what=f"the node has its mounts ({_log(cache)})")
    node = find(cache)
    if not node:
        raise ClusterError(f"the node ended at once; its log is {_log(cache)}")
    network.connect(node.init_pid)
    node.complete(plan.fingerprint)
    return node


def end(cache: Cache) -> bool:
    """End the node, if there is one, and remove what it or its unfinished start left; tell whether it ran."""
    if not _groups_made(cache).exists():
        return False
    node = find(cache)
    if node:
        os.kill(node.launcher_pid, signal.SIGKILL)
    folders = _existing(_groups_made(cache))
    _await_the_end(folders)
    cgroups.remove(folders)
    network.disconnect()
    launcher_record(cache).unlink(missing_ok=True)
    _groups_made(cache).unlink()
    return node is not None


def _repaired(cache: Cache, plan: Plan, stopped: Callable[[], bool]) -> bool:
    """Tell whether the running node has the planned settings and is ready, perhaps after a repair."""
    running = find(cache)
    if not running:
        return False
    if running.fingerprint != plan.fingerprint:
        _report("the running node is incomplete or has other settings: starting a new one")
        return False
    try:
        _ready(cache, plan, running, timeout_s=REPAIR_TIMEOUT_S, stopped=stopped)
    except NotReadyError as error:
        _report(f"{error}; starting a new node")
        return False
    return True


def _ready(cache: Cache, plan: Plan, running: Node, *, timeout_s: float, stopped: Callable[[], bool]) -> None:
    """Start the processes that do not run, in order, and wait until all are serving."""
    api = Api.at(cache)

    def wait(what: str, condition: Callable[[], bool]) -> None:
        try:
            until(lambda: stopped() or condition(), timeout_s=timeout_s, what=what)
        except NotReadyError as error:
            raise NotReadyError(f"{error}; {_diagnosis(cache, plan, running)}") from None
        if stopped():
            raise StoppedError("the start of the node was given up")

    for process in plan.processes:
        if process.needs_api:
            wait("the API server answers", api.ready)
        running.start(process)
    wait("the image registry answers", lambda: s3.listening(addresses.REGISTRY))
    wait("the S3 server answers", lambda: s3.listening(addresses.S3))
    s3.make_bucket(cache)
    wait("the node is Ready", api.node_ready)
    wait("the default namespace has its service account", api.namespace_ready)


def _diagnosis(cache: Cache, plan: Plan, running: Node) -> str:
    dead = [process.name for process in plan.processes if not running.pid_of(process)]
    return f"not running: {', '.join(dead) or 'none'}; logs: {cache.node / 'logs'}"


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _lay_out(cache: Cache, plan: Plan) -> None:
    shutil.rmtree(cache.node / _FORMER_LOGS, ignore_errors=True)
    with suppress(FileNotFoundError):
        (cache.node / "logs").rename(cache.node / _FORMER_LOGS)
    for name in _OF_ONE_RUN:
        shutil.rmtree(cache.node / name, ignore_errors=True)
        (cache.node / name).mkdir(parents=True)
    for name, content in plan.files.items():
        file = cache.node / "etc" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)


def _make_groups(cache: Cache, groups: Cgroups) -> None:
    if cgroups.processes(groups.folders):
        raise ClusterError(
            "this machine runs a node that another cache folder knows: run `make down` with the XDG_CACHE_HOME it had"
        )
    cgroups.remove(folder for folder in groups.folders if folder.exists())
    # Record first, then create: the next start knows the groups of an interrupted one.
    _write_list(_groups_made(cache), groups.folders)
    _write_list(groups_to_live_in(cache), groups.folders_to_live_in)
    groups.make()


def _launch(cache: Cache, groups: Cgroups) -> None:
    """Start the node's first process and the one that ends it by ending.

    The control group namespace begins where a process is when it makes it: at the node's own groups, one step above
    those in which version 2 lets processes live.
    """
    command = [
        *("setsid", "--fork"),
        *script("record.sh", launcher_record(cache)),
        *script("join.sh", _groups_made(cache), "unshare", "--cgroup"),
        *script("join.sh", groups_to_live_in(cache)),
        *("unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--propagation", "private"),
        *("--fork", "--kill-child", "--mount-proc"),
        *script(INIT, cache.node, addresses.NODE_NAME, pause_program(cache), *groups.mounts),
    ]
    with _log(cache).open("wb") as log:
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True)


def _has_mounts(cache: Cache) -> bool:
    node = find(cache)
    return node is not None and node.has_mounts


def _await_the_end(folders: list[Path]) -> None:
    """Wait until nothing runs in the node's groups; kill what still runs after a while."""
    patience = time.monotonic() + PATIENCE_S
    while members := cgroups.processes(folders):
        if time.monotonic() > patience:
            for pid in members:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _groups_made(cache: Cache) -> Path:
    return cache.node / "groups-made"


def _log(cache: Cache) -> Path:
    return cache.node / "logs" / "init.log"


def _write_list(file: Path, folders: Iterable[Path]) -> None:
    file.write_text("".join(f"{folder}\n" for folder in folders))


def _existing(file: Path) -> list[Path]:
    lines = file.read_text().splitlines() if file.exists() else []
    return [folder for folder in map(Path, lines) if folder.exists()]
