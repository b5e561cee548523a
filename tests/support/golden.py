"""Golden files: what this version wrote, made by its own code, so that later versions are tested against it.

A folder of tests/golden for each minor version, kept as it is once the version is released. `WRITE_GOLDEN=1` on the
tests that make the files writes those of the current version.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from mediaimport_api import __version__

ROOT = Path(__file__).resolve().parents[1] / "golden"
CURRENT = ROOT / f"v{__version__.rpartition('.')[0]}"
FOLDERS = sorted(each for each in ROOT.iterdir() if each.is_dir()) if ROOT.exists() else []
"""One for each version."""

HINT = "a reader of golden files needs these fields; WRITE_GOLDEN=1 replaces the files of a version not yet released"

SPEC: dict[str, Any] = {
    "source": {
        "url": "https://source.example/video.mp4?signature=secret",
        "expiresAt": "2030-01-01T13:00:00Z",
        "headersSecretRef": {"name": "to-source"},
        "provider": {
            "name": "replicate",
            "id": "gm3qorzdhgbfurvjtvhg6dckhu",
            "pointer": "/0",
            "model": "stand-in/video",
            "version": "5c7d5dc6",
        },
    },
    "assetId": "8d0cfa6e-2f2f-4b60-9a2f-0a3b5a2f7d11",
    "name": "film.mp4",
    "type": "video",
    "userId": "ada",
    "tags": ["ai-generated", "größe"],
    "metadata": {"scene": 7, "deep": {"list": [1.5, None, True, "\u00e9"]}},
    "expected": {"sizeBytes": 1_500_000},
    "thumbnail": {"widthPixels": 640, "frame": "first"},
    "limits": {"maxSizeBytes": 2_000_000_000, "deadlineSeconds": 600, "attempts": 3},
    "suspend": False,
    "run": "again",
    "deletionPolicy": "Delete",
    "ttlSecondsAfterFinished": 86_400,
}
"""Spec with every field."""


def read(folder: Path, name: str) -> Any:  # noqa: ANN401 - JSON
    """Return the content of a golden file."""
    return json.loads((folder / f"{name}.json").read_text())


def keep(name: str, content: Any) -> None:  # noqa: ANN401 - JSON
    """Write the file of the current version if WRITE_GOLDEN asks for it."""
    if os.environ.get("WRITE_GOLDEN"):
        CURRENT.mkdir(parents=True, exist_ok=True)
        text = json.dumps(content, indent=2, ensure_ascii=False, sort_keys=True)
        (CURRENT / f"{name}.json").write_text(f"{text}\n")


def lost(before: Any, after: Any, path: str = "") -> list[str]:  # noqa: ANN401 - JSON
    """Return the fields of a record that a newer one does not have, or has as another type."""
    if isinstance(before, dict) and isinstance(after, dict):
        missing = [f"{path}.{key}" for key in before if key not in after]
        return missing + [
            each for key in before if key in after for each in lost(before[key], after[key], f"{path}.{key}")
        ]
    same = type(before) is type(after) or {type(before), type(after)} == {int, float}
    return [] if same else [path]
