"""Debian packages, with programs that only note how they are called."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from dev.cluster.errors import CannotRunHereError, CommandFailedError
from dev.cluster.programs import debian
from dev.cluster.programs.debian import missing, removals
from dev.cluster.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from dev.cluster.cache import Cache

if TYPE_CHECKING:
    from pathlib import Path

QUERY = """\
runc installed
buildah config-files
containerd half-installed
"""
INSTALL = """
import pathlib, sys
from dev.cluster.cache import Cache
from dev.cluster.programs import debian
debian.install(Cache(pathlib.Path(sys.argv[1])), ["runc"], policy=pathlib.Path(sys.argv[2]))
"""


class Machine:
    """Folder of programs that stand in for Debian's."""

    def __init__(self, root: Path) -> None:
        self.programs, self.calls, self.policy = root / "bin", root / "calls", root / "policy-rc.d"
        self.programs.mkdir()
        self.program("dpkg-query", "echo")
        self.program("dpkg", "exit 0")
        self.apt()

    def program(self, name: str, script: str) -> None:
        file = self.programs / name
        file.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.calls}\n{script}\n')
        file.chmod(0o755)

    def apt(self, *, simulation: str = "Inst runc", install: str = "exit 0") -> None:
        self.program("apt-get", f'case "$*" in *--simulate*) echo "{simulation}" ;; *) {install} ;; esac')

    def called(self, words: str) -> list[str]:
        return [line for line in self.calls.read_text().splitlines() if words in line]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setenv("PATH", f"{made.programs}:{os.environ['PATH']}")
    return made


def test_only_what_is_wholly_installed_is_not_missing() -> None:
    assert missing(["runc", "buildah", "containerd", "nftables"], query=QUERY) == ["buildah", "containerd", "nftables"]


def test_nothing_is_missing_where_all_is_installed() -> None:
    assert missing(["runc"], query=QUERY) == []


def test_simulation_names_what_would_be_removed() -> None:
    simulation = "Inst runc (1.1)\nRemv containerd.io [1.7.1]\nRemv docker-ce [26.1] [docker-ce-cli:amd64 ]\n"
    assert removals(simulation) == ["containerd.io", "docker-ce"]


def test_package_of_the_machine_is_never_removed(machine: Machine, cache: Cache) -> None:
    machine.apt(simulation="Remv containerd.io [1.7.1]")
    with pytest.raises(CannotRunHereError, match=r"would remove containerd\.io to install runc.*KUBECONFIG"):
        debian.install(cache, ["runc"], policy=machine.policy)
    assert machine.called("install --no-install-recommends --no-remove") == []
    assert not machine.policy.exists()


def test_apt_is_told_to_remove_nothing(machine: Machine, cache: Cache) -> None:
    debian.install(cache, ["runc"], policy=machine.policy)
    (call,) = machine.called("--no-remove")
    assert call.endswith("install --no-install-recommends --no-remove runc")


def test_lists_are_updated_once_where_a_package_is_unknown(machine: Machine, cache: Cache) -> None:
    machine.program("apt-get", f'case "$*" in *update*) ;; *) grep -q update {machine.calls} || exit 100 ;; esac')
    debian.install(cache, ["runc"], policy=machine.policy)
    assert len(machine.called("update")) == 1
    assert len(machine.called("--no-remove")) == 1


def test_no_service_is_started_while_packages_are_installed(machine: Machine, cache: Cache, tmp_path: Path) -> None:
    machine.apt(install=f"{machine.policy} prometheus start; echo $? > {tmp_path}/status")
    debian.install(cache, ["runc"], policy=machine.policy)
    assert (tmp_path / "status").read_text() == "101\n"
    assert not machine.policy.exists()


def test_policy_is_gone_when_apt_fails(machine: Machine, cache: Cache) -> None:
    machine.apt(install="exit 100")
    with pytest.raises(CommandFailedError):
        debian.install(cache, ["runc"], policy=machine.policy)
    assert not machine.policy.exists()


def test_policy_denies_nothing_to_other_commands(machine: Machine, cache: Cache, tmp_path: Path) -> None:
    machine.apt(install=f"env -u MEDIAIMPORT_NO_SERVICES {machine.policy} nginx start; echo $? > {tmp_path}/status")
    debian.install(cache, ["runc"], policy=machine.policy)
    assert (tmp_path / "status").read_text() == "104\n"


def test_end_of_one_run_does_not_let_services_start_in_another(machine: Machine, tmp_path: Path) -> None:
    first = f"if mkdir {tmp_path}/first 2> /dev/null; then sleep 1"
    machine.apt(install=f"{first}; else sleep 2; {machine.policy} prometheus start; echo $? > {tmp_path}/status; fi")
    command = [sys.executable, "-c", INSTALL, str(tmp_path / "cache"), str(machine.policy)]
    with subprocess.Popen(command) as one:
        until((tmp_path / "first").exists, timeout_s=20, what="the first one installs")
        with subprocess.Popen(command) as other:
            assert (one.wait(20), other.wait(20)) == (0, 0)
    assert (tmp_path / "status").read_text() == "101\n"
    assert not machine.policy.exists()


def test_policy_that_a_killed_run_left_is_removed(machine: Machine, cache: Cache, tmp_path: Path) -> None:
    machine.apt(install=f"cp {machine.policy} {tmp_path}/left")
    debian.install(cache, ["runc"], policy=machine.policy)
    (tmp_path / "left").rename(machine.policy)
    debian.install(cache, ["runc"], policy=machine.policy)
    assert not machine.policy.exists()


def test_policy_of_the_machine_stays(machine: Machine, cache: Cache) -> None:
    machine.policy.write_text("#!/bin/sh\nexit 101\n")
    debian.install(cache, ["runc"], policy=machine.policy)
    assert machine.policy.read_text() == "#!/bin/sh\nexit 101\n"


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_policy_is_gone_after_a_signal_and_apt_has_ended_by_itself(
    sent: signal.Signals, machine: Machine, tmp_path: Path
) -> None:
    machine.apt(install=f"touch {tmp_path}/begun; sleep 0.5; touch {tmp_path}/ended")
    command = [sys.executable, "-c", INSTALL, str(tmp_path / "cache"), str(machine.policy)]
    # As in a terminal: the signal goes to all processes of the group.
    with subprocess.Popen(command, process_group=0, stderr=subprocess.DEVNULL) as process:
        until((tmp_path / "begun").exists, timeout_s=20, what="apt-get runs")
        assert machine.policy.exists()
        os.killpg(process.pid, sent)
    until((tmp_path / "ended").exists, timeout_s=60, what="apt-get has ended")
    until(lambda: not machine.policy.exists(), timeout_s=60, what="the policy is gone")
