"""The folders that `make` gives pip and uv for what they download."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from dev.cluster.cache import CHECKOUT, Cache

PRINT = "printed: ; @echo $$PIP_CACHE_DIR $$UV_CACHE_DIR"


def folders(**environ: str) -> list[Path]:
    variables = {"PATH": os.environ["PATH"], "HOME": "/home/ada", **environ}
    command = ["make", "--silent", "--eval", PRINT, "printed"]
    done = subprocess.run(command, cwd=CHECKOUT, env=variables, capture_output=True, text=True, check=True)
    return [Path(each) for each in done.stdout.split()]


@pytest.mark.parametrize("environ", [{}, {"XDG_CACHE_HOME": "/caches"}], ids=["home", "xdg"])
def test_pip_and_uv_keep_what_they_download_in_the_cache_folder(environ: dict[str, str]) -> None:
    root = Cache.of({"HOME": "/home/ada", **environ}).root
    assert folders(**environ) == [root / "pip", root / "uv"]


def test_caches_that_the_caller_names_are_used() -> None:
    assert folders(PIP_CACHE_DIR="/pip", UV_CACHE_DIR="/uv") == [Path("/pip"), Path("/uv")]
