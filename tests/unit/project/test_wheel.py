"""The wheel is the same bytes, whoever builds it, where and when."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from mediaimport_api import __version__

ROOT = Path(__file__).parents[3]


def checkout(folder: Path, *, modified_s: int, mode: int) -> Path:
    """Return a copy of the sources of the wheel."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for package in settings["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for file in folder.rglob("*.py"):
        os.utime(file, (modified_s, modified_s))
        file.chmod(mode)
    return folder


def wheel(folder: Path) -> Path:
    """Build it, with neither the time nor the machine's settings given."""
    environ = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel"],
        cwd=folder, env=environ, check=True, capture_output=True,
    )  # fmt: skip
    return next((folder / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel(checkout(tmp_path_factory.mktemp("first"), modified_s=1_000_000_000, mode=0o644))


def test_wheel_is_the_same_from_another_folder_at_another_time_by_another_user(built: Path, tmp_path: Path) -> None:
    folder = checkout(tmp_path / "elsewhere", modified_s=1_700_000_000, mode=0o600)
    leftover = folder / "crds/mediaimport_api/__pycache__/left.cpython-311.pyc"
    leftover.parent.mkdir()
    leftover.write_bytes(b"by a run of Python")

    assert wheel(folder).read_bytes() == built.read_bytes()


def test_wheel_has_every_program_and_the_one_version(built: Path) -> None:
    with zipfile.ZipFile(built) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
        about = archive.read(f"mediaimport-{__version__}.dist-info/METADATA").decode()
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "mediaimport_api", "mediaimport_checks", "mediaimport_importer", "mediaimport_operator", "mediaimport_prober",
        "mediaimport_runtime", "mediaimport_webhook",
    }  # fmt: skip
    assert f"\nVersion: {__version__}\n" in about
    assert "\nLicense-Expression: Apache-2.0\n" in about
