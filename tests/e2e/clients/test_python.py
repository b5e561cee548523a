"""The client in Python, built into a wheel, and its example, on the cluster."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from tests.support.installation.world import World

CLIENT = Path(__file__).resolve().parents[3] / "clients" / "python"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's content alone."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=CLIENT, check=True, capture_output=True)
    (wheel,) = folder.glob("mediaimport_client-*.whl")
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(folder / "content")
    return folder / "content"


def test_wheel_holds_the_typed_client_alone(packages: Path) -> None:
    assert {each.name.split("-")[0] for each in packages.iterdir()} == {"mediaimport_client"}
    assert (packages / "mediaimport_client/py.typed").exists()


def test_example_imports_the_film(world: World, webhook: httpx.Client, packages: Path) -> None:
    variables = {
        "MEDIAIMPORT_URL": str(webhook.base_url),
        "MEDIAIMPORT_TOKEN": webhook.headers["authorization"].removeprefix("Bearer "),
        "PYTHONPATH": str(packages),
    }
    command = [sys.executable, str(CLIENT / "examples/import_film.py"), world.file_url()]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    summary, url = done.stdout.splitlines()
    assert summary == "film.mp4: 1280x720, 5.312 s"
    assert httpx.get(url, verify=world.tls).content == world.film
