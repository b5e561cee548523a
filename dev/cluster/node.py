"""The node: one tree of processes in namespaces and control groups of its own, ended by ending its first process."""

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dev.cluster import addresses, cgroups, network
from dev.cluster.base import pause_program
from dev.cluster.errors import ClusterError
from dev.cluster.places import Places
from dev.cluster.processes import Plan, Process
from dev.cluster.waiting import until

INIT = Path(__file__).parent / "settings" / "node-init.sh"
START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 20.0
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_NAMESPACES = ("--cgroup", "--mount", "--pid", "--net", "--uts", "--ipc", "--propagation", "private")
# Contents that belong to one run of the node. Not containerd's: its images spare the next run a pull.
_OF_ONE_RUN = ("var", "etc", "s3")

# The process joins control groups ($1: a file that lists them) before it becomes what it is to be.
_JOIN = 'while read -r group; do echo $$ > "$group/cgroup.procs"; done < "$1"; shift; '
# Written by the process itself: there is no moment at which it runs unrecorded.
_LAUNCH = 'echo $$ > "$1"; shift; ' + _JOIN + 'exec "$@"'
_ENTER = _JOIN + 'exec "$@"'
_RECORD = 'echo $$ > "/run/mediaimport/$1.pid"; shift; exec "$@"'


@dataclass(frozen=True)
class Node:
    """A node whose first process is alive."""

    places: Places
    launcher_pid: int
    init_pid: int

    @property
    def complete(self) -> bool:
        """Whether its start came to its end, mounts and network included."""
        return (self._runtime / "connected").exists()

    @property
    def fingerprint(self) -> str:
        """What it was started from."""
        file = self._runtime / "fingerprint"
        return file.read_text() if file.exists() else ""

    @property
    def _runtime(self) -> Path:
        """The node's own /run/mediaimport: in its memory, so that it never outlives it."""
        return self._seen_from_here("/run/mediaimport")

    def _seen_from_here(self, path: str) -> Path:
        return Path(f"/proc/{self.init_pid}/root{path}")

    def enter_argv(self, *argv: str) -> list[str]:
        """Return the command line that runs another one inside the node."""
        enter = ("nsenter", "--target", str(self.init_pid), "--all", "--wd=/", *argv)
        return ["sh", "-c", _ENTER, "sh", str(_group_list(self.places, "join")), *enter]

    def start(self, process: Process) -> None:
        """Start a process inside, if it is not running; it stays when we end."""
        if self.pid_of(process):
            return
        record = ("sh", "-c", _RECORD, "sh", process.name)
        log = self.places.node / "logs" / f"{process.name}.log"
        with log.open("ab") as words:
            subprocess.run(
                ["setsid", "--fork", *self.enter_argv(*record, *process.argv)],
                env={"PATH": _PATH, **dict(process.environ)},
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                check=True,
            )

    def stop(self, process: Process) -> None:
        """End a process inside and wait until it is gone."""
        pid = self.pid_of(process)
        if pid:
            subprocess.run(self.enter_argv("kill", str(pid)), check=True)
            until(lambda: self.pid_of(process) != pid, timeout_s=STOP_TIMEOUT_S, what=f"{process.name} has ended")

    def pid_of(self, process: Process) -> int | None:
        """Return the process's id inside the node, if it is running."""
        try:
            pid = int((self._runtime / f"{process.name}.pid").read_text())
            argv = self._seen_from_here(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if argv[0].decode() == process.argv[0] else None

    def mark_complete(self, fingerprint: str) -> None:
        """Remember that it has all it needs."""
        (self._runtime / "fingerprint").write_text(fingerprint)
        (self._runtime / "connected").touch()


def find(places: Places) -> Node | None:
    """Return the node that is running, whoever started it."""
    try:
        launcher = int(_launcher(places).read_text())
        command_line = Path(f"/proc/{launcher}/cmdline").read_text()
        children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    except (OSError, ValueError):
        return None
    # A recycled process id has another command line.
    ours = str(INIT.name) in command_line and str(places.node) in command_line and children
    return Node(places, launcher_pid=launcher, init_pid=int(children[0])) if ours else None


def begin(places: Places, plan: Plan) -> Node:
    """Start a fresh node, without processes yet."""
    _lay_out(places, plan)
    groups = cgroups.Cgroups.of_this_process()
    _group_list(places, "all").write_text("".join(f"{folder}\n" for folder in groups.folders))
    groups.make()
    _group_list(places, "join").write_text("".join(f"{folder}\n" for folder in groups.folders))
    _launch(places, groups)
    until(lambda: _mounted(places), timeout_s=START_TIMEOUT_S, what="the node has its mounts")
    node = find(places)
    if not node:
        raise ClusterError("the node ended at once")
    network.connect(node.init_pid)
    if groups.version_2:
        _group_list(places, "join").write_text("".join(f"{folder}/init\n" for folder in groups.folders))
    node.mark_complete(plan.fingerprint)
    return node


def end(places: Places) -> bool:
    """End the node and remove what it leaves; tell whether there was one."""
    node = find(places)
    if node:
        os.kill(node.launcher_pid, signal.SIGKILL)
    folders = [Path(line) for line in _lines(_group_list(places, "all")) if Path(line).exists()]
    _await_the_end(folders)
    cgroups.remove(folders)
    network.disconnect()
    _launcher(places).unlink(missing_ok=True)
    return node is not None


def _await_the_end(folders: list[Path]) -> None:
    """Wait until nothing runs in the node's groups; what lingers there is the node's, and is ended."""
    patience = time.monotonic() + 1
    while members := cgroups.processes(folders):
        if time.monotonic() > patience:
            for pid in members:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _lay_out(places: Places, plan: Plan) -> None:
    for name in _OF_ONE_RUN:
        shutil.rmtree(places.node / name, ignore_errors=True)
    for folder in ("logs", "s3"):
        (places.node / folder).mkdir(parents=True, exist_ok=True)
    for name, content in plan.files.items():
        file = places.node / "etc" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    for log in (places.node / "logs").iterdir():
        log.unlink()


def _launch(places: Places, groups: cgroups.Cgroups) -> None:
    init = (INIT, places.node, addresses.NODE_NAME, pause_program(places), *groups.mounts.split())
    unshare = ("unshare", *_NAMESPACES, "--fork", "--kill-child", "--mount-proc", "sh", *map(str, init))
    with (places.node / "logs" / "init.log").open("wb") as words:
        subprocess.run(
            ["setsid", "--fork", "sh", "-c", _LAUNCH, "sh", _launcher(places), _group_list(places, "join"), *unshare],
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            check=True,
        )


def _mounted(places: Places) -> bool:
    node = find(places)
    return node is not None and Path(f"/proc/{node.init_pid}/root/run/mediaimport/mounted").exists()


def _launcher(places: Places) -> Path:
    return places.node / "launcher.pid"


def _group_list(places: Places, name: str) -> Path:
    return places.node / f"cgroups-{name}"


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []
