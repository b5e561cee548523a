"""The node's beginning and end: a tree of processes in namespaces and control groups of its own.

Whatever a former run left behind, cut off at any moment, `end` removes.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from dev.cluster import addresses, cgroups, network
from dev.cluster.base import pause_program
from dev.cluster.cgroups import Cgroups
from dev.cluster.errors import ClusterError
from dev.cluster.node import INIT, Node, find, groups_to_live_in, launcher_record, script
from dev.cluster.places import Places
from dev.cluster.processes import Plan
from dev.cluster.waiting import until

START_TIMEOUT_S = 20.0
PATIENCE_S = 1.0
# What belongs to one run of the node. Not containerd's folder: its images spare the next run a pull.
_OF_ONE_RUN = ("etc", "logs", "s3", "var")
_FORMER_LOGS = "logs-of-the-former-run"


def begin(places: Places, plan: Plan) -> Node:
    """Start a fresh node, without processes yet."""
    _lay_out(places, plan)
    groups = Cgroups.of_this_process()
    _make_groups(places, groups)
    _launch(places, groups)
    until(lambda: _has_mounts(places), timeout_s=START_TIMEOUT_S, what=f"the node has its mounts ({_log(places)})")
    node = find(places)
    if not node:
        raise ClusterError(f"the node ended at once; its last words are in {_log(places)}")
    network.connect(node.init_pid)
    node.complete(plan.fingerprint)
    return node


def end(places: Places) -> bool:
    """End the node, if there is one, and remove what it or its unfinished start left; tell whether it ran."""
    if not _groups_made(places).exists():
        return False
    node = find(places)
    if node:
        os.kill(node.launcher_pid, signal.SIGKILL)
    folders = _existing(_groups_made(places))
    _await_the_end(folders)
    cgroups.remove(folders)
    network.disconnect()
    launcher_record(places).unlink(missing_ok=True)
    _groups_made(places).unlink()
    return node is not None


def _lay_out(places: Places, plan: Plan) -> None:
    shutil.rmtree(places.node / _FORMER_LOGS, ignore_errors=True)
    with suppress(FileNotFoundError):
        (places.node / "logs").rename(places.node / _FORMER_LOGS)
    for name in _OF_ONE_RUN:
        shutil.rmtree(places.node / name, ignore_errors=True)
        (places.node / name).mkdir(parents=True)
    for name, content in plan.files.items():
        file = places.node / "etc" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)


def _make_groups(places: Places, groups: Cgroups) -> None:
    if cgroups.processes(groups.folders):
        raise ClusterError(
            "this machine runs a node that another cache folder knows: run `make down` with the XDG_CACHE_HOME it had"
        )
    cgroups.remove(folder for folder in groups.folders if folder.exists())
    # First the record, then the deed: what a cut-off start made is known to the next one.
    _write_list(_groups_made(places), groups.folders)
    _write_list(groups_to_live_in(places), groups.folders_to_live_in)
    groups.make()


def _launch(places: Places, groups: Cgroups) -> None:
    """Start the node's first process and the one that ends it by ending.

    The control group namespace begins where a process is when it makes it: at the node's own groups, one step above
    those in which version 2 lets processes live.
    """
    command = [
        *("setsid", "--fork"),
        *script("record.sh", launcher_record(places)),
        *script("join.sh", _groups_made(places), "unshare", "--cgroup"),
        *script("join.sh", groups_to_live_in(places)),
        *("unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--propagation", "private"),
        *("--fork", "--kill-child", "--mount-proc"),
        *script(INIT, places.node, addresses.NODE_NAME, pause_program(places), *groups.mounts),
    ]
    with _log(places).open("wb") as words:
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=words, stderr=words, check=True)


def _has_mounts(places: Places) -> bool:
    node = find(places)
    return node is not None and node.has_mounts


def _await_the_end(folders: list[Path]) -> None:
    """Wait until nothing runs in the node's groups; what lingers there is the node's, and is ended."""
    patience = time.monotonic() + PATIENCE_S
    while members := cgroups.processes(folders):
        if time.monotonic() > patience:
            for pid in members:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _groups_made(places: Places) -> Path:
    return places.node / "groups-made"


def _log(places: Places) -> Path:
    return places.node / "logs" / "init.log"


def _write_list(file: Path, folders: Iterable[Path]) -> None:
    file.write_text("".join(f"{folder}\n" for folder in folders))


def _existing(file: Path) -> list[Path]:
    lines = file.read_text().splitlines() if file.exists() else []
    return [folder for folder in map(Path, lines) if folder.exists()]
