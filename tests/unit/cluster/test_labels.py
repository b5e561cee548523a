from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from dev.cluster.labels import CHANGED, CREATED, REVISION, labels

if TYPE_CHECKING:
    from pathlib import Path

GIT = shutil.which("git") or "git"
TIME = "2026-01-02T03:04:05+00:00"


def git(checkout: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=n", "-c", "user.email=n@example.com", "-c", "commit.gpgsign=false")
    environ = os.environ | {"GIT_COMMITTER_DATE": TIME}
    done = subprocess.run(
        [GIT, "-C", str(checkout), *identity, *arguments], env=environ, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "source").write_text("one")
    git(tmp_path, "add", "source")
    git(tmp_path, "commit", "--quiet", "--message", "One")
    return tmp_path


def test_revision_and_time_are_those_of_the_last_commit(checkout: Path) -> None:
    assert labels(checkout, ["source"]) == {REVISION: git(checkout, "rev-parse", "HEAD"), CREATED: TIME}


def test_commit_of_other_files_changes_nothing(checkout: Path) -> None:
    before = labels(checkout, ["source"])
    (checkout / "other").write_text("two")
    git(checkout, "add", "other")
    git(checkout, "commit", "--quiet", "--message", "Two")
    assert labels(checkout, ["source"]) == before


def test_uncommitted_change_shows(checkout: Path) -> None:
    (checkout / "source").write_text("changed")
    assert labels(checkout, ["source"])[REVISION].endswith(CHANGED)


def test_no_checkout_has_no_labels(tmp_path: Path) -> None:
    assert labels(tmp_path, ["source"]) == {}
