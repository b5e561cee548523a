"""Running node, seen from the machine: its processes, and how to start and stop one."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dev.cluster.errors import ClusterError
from dev.cluster.waiting import until

if TYPE_CHECKING:
    from dev.cluster.cache import Cache
    from dev.cluster.node.processes import Process

INIT = "node-init.sh"
STOP_TIMEOUT_S = 10.0
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# A tmpfs of the node: its files are never older than the node.
_RUN = Path("/run/mediaimport")


@dataclass(frozen=True)
class Node:
    """Node whose first process is alive."""

    cache: Cache
    launcher_pid: int
    init_pid: int

    @property
    def has_mounts(self) -> bool:
        """Tell whether its first process has made all mounts."""
        return self._in_node(_RUN / "mounted").exists()

    @property
    def fingerprint(self) -> str:
        """Hash of the settings it was started with; empty if its start was interrupted."""
        file = self._in_node(_RUN / "fingerprint")
        return file.read_text() if file.exists() else ""

    def complete(self, fingerprint: str) -> None:
        """Record that the node is complete, with the hash of its settings."""
        self._in_node(_RUN / "fingerprint").write_text(fingerprint)

    def start(self, process: Process) -> None:
        """Start a process in the node, unless it is running; it outlives this process."""
        if self.pid_of(process):
            return
        record = script("record.sh", _RUN / f"{process.name}.pid")
        with (self.cache.node / "logs" / f"{process.name}.log").open("ab") as log:
            subprocess.run(
                ["setsid", "--fork", *self._enter(), *record, *process.argv],
                env={"PATH": _PATH, **dict(process.environ)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=True,
            )

    def stop(self, process: Process) -> None:
        """Kill a process in the node and wait until it is gone."""
        pid = self.pid_of(process)
        if pid:
            subprocess.run([*self._enter(), "kill", "-KILL", str(pid)], check=True)
            until(lambda: self.pid_of(process) != pid, timeout_s=STOP_TIMEOUT_S, what=f"{process.name} has ended")

    def pid_of(self, process: Process) -> int | None:
        """Return the process's id inside the node, if it is running."""
        try:
            pid = int(self._in_node(_RUN / f"{process.name}.pid").read_text())
            argv = self._in_node(Path(f"/proc/{pid}/cmdline")).read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if argv[0].decode() == process.argv[0] else None  # another process: the id was reused

    def proc_folder(self, process: Process) -> Path:
        """Return the process's folder in /proc, as this machine sees it; ClusterError if it is not running."""
        pid = self.pid_of(process)
        if pid is None:
            raise ClusterError(f"{process.name} is not running in the node")
        return self._in_node(Path(f"/proc/{pid}"))

    def _enter(self) -> list[str]:
        """Return the prefix of a command line that runs it in the node."""
        join = script("join.sh", groups_to_live_in(self.cache))
        return [*join, "nsenter", "--target", str(self.init_pid), "--all", "--wd=/"]

    def _in_node(self, path: Path) -> Path:
        return Path(f"/proc/{self.init_pid}/root", *path.parts[1:])


def find(cache: Cache) -> Node | None:
    """Return the node that is running, whoever started it."""
    try:
        launcher = int(launcher_record(cache).read_text())
        command_line = Path(f"/proc/{launcher}/cmdline").read_text()
        children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    except (OSError, ValueError):
        return None
    # A reused process id has another command line.
    ours = INIT in command_line and str(cache.node) in command_line
    return Node(cache, launcher_pid=launcher, init_pid=int(children[0])) if ours and children else None


def script(name: str, *arguments: str | Path) -> list[str]:
    """Return the command line of one of our shell scripts."""
    return ["sh", str(Path(__file__).parent / "settings" / name), *map(str, arguments)]


def launcher_record(cache: Cache) -> Path:
    """Return the file with the id of the process that ends the node by ending."""
    return cache.node / "launcher.pid"


def groups_to_live_in(cache: Cache) -> Path:
    """Return the file that lists the control groups of the node's processes."""
    return cache.node / "groups-to-live-in"
