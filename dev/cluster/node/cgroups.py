"""Control groups of the node: a subtree of the machine's, which the kubelet manages alone.

Version 1 is tested. On version 2 the groups are made, joined and removed by a test, but no node has started.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME = "mediaimport-node"
MOUNT = Path("/sys/fs/cgroup")
REMOVAL_TIMEOUT_S = 10.0
_SYSTEMD = "name=systemd"
_V2_CONTROLLERS = ("cpuset", "cpu", "io", "memory", "pids")


@dataclass(frozen=True)
class Hierarchy:
    """Line of /proc/self/cgroup: controllers (none: version 2) and the path of this process."""

    controllers: str
    path: str

    @property
    def mount(self) -> Path:
        """Mount point."""
        return MOUNT / self.controllers.removeprefix("name=")

    @property
    def parent(self) -> Path:
        """Folder of this process."""
        return self.mount / self.path.lstrip("/")


def parse(proc_self_cgroup: str) -> list[Hierarchy]:
    """Return the hierarchies to use: all of version 1 if it has the controllers, else version 2's only one."""
    fields = (line.split(":", 2) for line in proc_self_cgroup.splitlines())
    every = [Hierarchy(controllers, path) for _, controllers, path in fields]
    version_1 = [hierarchy for hierarchy in every if hierarchy.controllers]
    return version_1 if any(h.controllers != _SYSTEMD for h in version_1) else [h for h in every if not h.controllers]


@dataclass(frozen=True)
class Cgroups:
    """The node's folders in the hierarchies."""

    hierarchies: tuple[Hierarchy, ...]

    @classmethod
    def of_this_process(cls) -> Cgroups:
        """Return those below the groups of this process."""
        return cls(tuple(parse(Path("/proc/self/cgroup").read_text())))

    @property
    def version_2(self) -> bool:
        """Tell version 2, the one unified hierarchy, from version 1."""
        return not self.hierarchies[0].controllers

    @property
    def folders(self) -> list[Path]:
        """Folders of the node. Version 2 gives no controllers to the child of a group that has processes."""
        if self.version_2:
            return [MOUNT / NAME]
        return [hierarchy.parent / NAME for hierarchy in self.hierarchies]

    @property
    def folders_to_live_in(self) -> list[Path]:
        """Folders of its processes: version 2 allows none in a group that has child groups with controllers."""
        return [folder / "init" for folder in self.folders] if self.version_2 else self.folders

    @property
    def mounts(self) -> list[str]:
        """Mounts of the node, as `folder=options`; empty for version 2."""
        return [f"{h.mount.name}={_mount_options(h)}" for h in self.hierarchies if h.controllers]

    def make(self) -> None:
        """Make the folders, ready for a process to join."""
        if self.version_2:
            _enable_controllers(MOUNT)
        for folder in self.folders_to_live_in:
            folder.mkdir(parents=True, exist_ok=True)
            if (folder / "cpuset.mems").exists() and not self.version_2:
                _inherit_cpuset(folder)


def _mount_options(hierarchy: Hierarchy) -> str:
    return f"none,{_SYSTEMD}" if hierarchy.controllers == _SYSTEMD else hierarchy.controllers


def _inherit_cpuset(folder: Path) -> None:
    """Fill in what version 1 leaves empty: a group without CPUs takes no process."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        (folder / name).write_text((folder.parent / name).read_text())
    (folder / "cgroup.clone_children").write_text("1")


def _enable_controllers(folder: Path) -> None:
    available = (folder / "cgroup.controllers").read_text().split()
    for controller in _V2_CONTROLLERS:
        if controller in available:
            (folder / "cgroup.subtree_control").write_text(f"+{controller}")


def processes(folders: Iterable[Path]) -> set[int]:
    """Return the ids of all processes in the folders and below."""
    found: set[int] = set()
    for folder in folders:
        for members in folder.rglob("cgroup.procs"):
            with suppress(OSError):  # a group that went away meanwhile has none
                found.update(map(int, members.read_text().split()))
    return found


def remove(folders: Iterable[Path]) -> None:
    """Remove the folders, deepest first, once nothing runs in them."""
    deadline = time.monotonic() + REMOVAL_TIMEOUT_S
    for folder in folders:
        for group in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
            _remove_group(group, deadline)
        _remove_group(folder, deadline)


def _remove_group(group: Path, deadline: float) -> None:
    while group.exists():
        try:
            group.rmdir()
        except OSError:  # its last process is still on the way out
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
