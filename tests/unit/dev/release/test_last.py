from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from dev.cluster.errors import ClusterError
from dev.release import last

if TYPE_CHECKING:
    from pathlib import Path


def git(checkout: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    subprocess.run(("git", "-C", checkout, *identity, *arguments), check=True, capture_output=True)  # noqa: S607 - the git that the tool calls


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Checkout whose file has a line for each of three versions, two of them with a tag."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init")
    for version, tag in (("one", "v0.1.0"), ("two", "v0.2.0"), ("three", "")):
        (folder / "file").write_text(version)
        git(folder, "add", ".")
        git(folder, "commit", "--message", version)
        if tag:
            git(folder, "tag", "--annotate", tag, "--message", tag)
    git(folder, "tag", "demo")
    return folder


def test_last_release_is_the_newest_tag_of_a_version(checkout: Path) -> None:
    assert last.newest_tag(checkout) == "v0.2.0"


def test_checkout_without_a_release_asks_for_a_commit(tmp_path: Path) -> None:
    git(tmp_path, "init")
    git(tmp_path, "commit", "--allow-empty", "--message", "first")
    with pytest.raises(ClusterError, match="RELEASE="):
        last.newest_tag(tmp_path)


def test_files_are_those_of_the_revision(checkout: Path, tmp_path: Path) -> None:
    folder = tmp_path / "release"
    folder.mkdir()
    (folder / "of-an-earlier-run").touch()
    last.extract("v0.1.0", folder, checkout)
    assert {each.name: each.read_text() for each in folder.iterdir()} == {"file": "one"}


def test_record_tells_chart_and_images(tmp_path: Path) -> None:
    chart = "mediaimport-0.1.0.tgz"
    about = {"revision": "v0.1.0", "chart": chart, "images": {"mediaimport": "r/m:1"}}
    (tmp_path / "release.json").write_text(json.dumps(about))
    read = last.LastRelease.read(tmp_path)
    assert (read.revision, read.chart, read.images) == ("v0.1.0", tmp_path / chart, {"mediaimport": "r/m:1"})


def test_nothing_built_is_said(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"dev\.release\.last"):
        last.LastRelease.read(tmp_path)
