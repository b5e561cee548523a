from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from dev.cluster.programs.debian import missing, no_service_started

if TYPE_CHECKING:
    from pathlib import Path

QUERY = """\
runc installed
buildah config-files
containerd half-installed
"""


def test_only_what_is_wholly_installed_is_not_missing() -> None:
    assert missing(["runc", "buildah", "containerd", "nftables"], query=QUERY) == ["buildah", "containerd", "nftables"]


def test_nothing_is_missing_where_all_is_installed() -> None:
    assert missing(["runc"], query=QUERY) == []


def test_no_service_is_started_while_packages_are_installed(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with no_service_started(policy):
        assert subprocess.run([policy, "prometheus", "start"], check=False).returncode == 101
    assert not policy.exists()


def test_what_the_machine_says_of_services_itself_stays(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("its own")
    with no_service_started(policy):
        pass
    assert policy.read_text() == "its own"
