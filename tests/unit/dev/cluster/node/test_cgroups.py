from __future__ import annotations

from pathlib import Path

from dev.cluster.node import cgroups
from dev.cluster.node.cgroups import Cgroups, Hierarchy

VERSION_1 = """\
9:name=systemd:/
4:memory:/user/one
3:cpuset:/
2:cpu,cpuacct:/
0::/
"""


def test_version_1_is_used_where_it_has_the_controllers() -> None:
    assert cgroups.parse(VERSION_1) == [
        Hierarchy("name=systemd", "/"),
        Hierarchy("memory", "/user/one"),
        Hierarchy("cpuset", "/"),
        Hierarchy("cpu,cpuacct", "/"),
    ]


def test_version_2_is_used_where_it_is_alone() -> None:
    assert cgroups.parse("0::/user.slice/session-1.scope\n") == [Hierarchy("", "/user.slice/session-1.scope")]


def test_version_2_is_used_where_version_1_only_names_processes() -> None:
    assert cgroups.parse("1:name=systemd:/user.slice\n0::/user.slice\n") == [Hierarchy("", "/user.slice")]


def test_node_is_below_the_group_that_starts_it() -> None:
    groups = Cgroups(tuple(cgroups.parse(VERSION_1)))
    assert groups.folders == [
        Path("/sys/fs/cgroup/systemd/mediaimport-node"),
        Path("/sys/fs/cgroup/memory/user/one/mediaimport-node"),
        Path("/sys/fs/cgroup/cpuset/mediaimport-node"),
        Path("/sys/fs/cgroup/cpu,cpuacct/mediaimport-node"),
    ]
    assert groups.folders_to_live_in == groups.folders


def test_node_mounts_each_hierarchy_of_version_1_again() -> None:
    assert Cgroups(tuple(cgroups.parse(VERSION_1))).mounts == [
        "systemd=none,name=systemd",
        "memory=memory",
        "cpuset=cpuset",
        "cpu,cpuacct=cpu,cpuacct",
    ]


def test_processes_of_version_2_live_one_step_below_the_nodes_group() -> None:
    groups = Cgroups(tuple(cgroups.parse("0::/user.slice\n")))
    assert groups.folders == [Path("/sys/fs/cgroup/mediaimport-node")]
    assert groups.folders_to_live_in == [Path("/sys/fs/cgroup/mediaimport-node/init")]
    assert groups.mounts == []


def test_processes_are_found_in_all_groups_below(tmp_path: Path) -> None:
    (tmp_path / "pods/one").mkdir(parents=True)
    (tmp_path / "cgroup.procs").write_text("1\n2\n")
    (tmp_path / "pods/one/cgroup.procs").write_text("3\n")
    assert cgroups.processes([tmp_path]) == {1, 2, 3}


def test_groups_are_removed_with_all_below(tmp_path: Path) -> None:
    (tmp_path / "node/pods/one").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    cgroups.remove([tmp_path / "node"])
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
