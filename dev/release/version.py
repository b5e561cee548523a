"""Version of the project, from mediaimport_api, in the files that cannot read it from there."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mediaimport_api import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT = Path(__file__).resolve().parents[2]
# For each file: the pattern before the version, and the number of occurrences.
PLACES = {
    "Dockerfile": (r'image\.version="', 2),
    "charts/mediaimport/Chart.yaml": (r"^(?:version|appVersion): |image: mediaimport(?:-ffmpeg)?:", 4),
    "clients/python/pyproject.toml": (r'^version = "', 1),
    "clients/typescript/package.json": (r'"version": "', 1),
    "clients/typescript/package-lock.json": (r'"name": "mediaimport-client",\n +"version": "', 2),
    "README.md": (r"registry\.example\.com/mediaimport-ffmpeg:", 1),
    "docs/install.md": (r"registry\.example\.com/mediaimport(?:-ffmpeg)?:", 4),
    "docs/gitops.md": (r"(?:targetRevision: |tag: )v", 2),
    "examples/values-eks.yaml": (r"tag: ", 2),
    "examples/values-existing-installation.yaml": (r"tag: ", 2),
}


def carried(text: str, before: str, count: int, version: str = __version__) -> str:
    """Return the text with the version at each place; ValueError if the number of places differs."""
    new, found = re.subn(rf"({before})\d[\w.+-]*", rf"\g<1>{version}", text, flags=re.MULTILINE)
    if found != count:
        raise ValueError(f"the version is {found} times after {before!r}, not {count}")
    return new


def _page(name: str) -> str:
    return carried((ROOT / name).read_text(), *PLACES[name])


FILES: Mapping[str, Callable[[], str]] = {name: partial(_page, name) for name in PLACES}
