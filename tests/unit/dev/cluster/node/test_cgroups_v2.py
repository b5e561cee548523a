"""Control groups of version 2 on a real hierarchy of this kernel, mounted for the test alone; controllers or none."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from dev.cluster.cache import CHECKOUT

# In mounts of its own: the machine's /sys/fs/cgroup stays as it is.
IN_VERSION_2 = (
    *("unshare", "--mount", "--propagation", "private", "sh", "-c"),
    'umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && exec "$@"',
    "sh",
)
SCRIPT = """
import pathlib, subprocess, sys
from dev.cluster.node import cgroups
from dev.cluster.node.node import script

cgroups.NAME = sys.argv[1]
groups = cgroups.Cgroups(tuple(cgroups.parse("0::/")))
assert groups.version_2
groups.make()
try:
    lives = pathlib.Path(sys.argv[2], "groups-to-live-in")
    lives.write_text("".join(f"{folder}\\n" for folder in groups.folders_to_live_in))
    join = subprocess.Popen([*script("join.sh", lives), "sleep", "60"])
    while join.pid not in cgroups.processes(groups.folders):
        assert join.poll() is None, "join.sh failed"
    print(pathlib.Path(f"/proc/{join.pid}/cgroup").read_text().splitlines()[-1])
    wanted = set(cgroups._V2_CONTROLLERS) & set(pathlib.Path("/sys/fs/cgroup/cgroup.controllers").read_text().split())
    assert wanted <= set((groups.folders[0] / "cgroup.controllers").read_text().split())
    join.kill()
    join.wait()
finally:
    cgroups.remove(groups.folders)
print(any(folder.exists() for folder in groups.folders))
"""


def version_2_can_be_mounted() -> bool:
    if sys.platform != "linux" or os.getuid() != 0:
        return False
    return subprocess.run([*IN_VERSION_2, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not version_2_can_be_mounted(), reason="needs root and a kernel with control groups of version 2")
def test_process_joins_the_nodes_group_and_the_groups_are_removed(tmp_path: os.PathLike[str]) -> None:
    name = f"mediaimport-test-{os.getpid()}"
    done = subprocess.run(
        [*IN_VERSION_2, sys.executable, "-c", SCRIPT, name, tmp_path],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"0::/{name}/init", "False"]
