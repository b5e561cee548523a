"""Dockerfiles: one base, pinned, and nothing that a new version of Python would break."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCKERFILES = [ROOT / "Dockerfile", ROOT / "dev/Dockerfile", ROOT / "dev/kind/Dockerfile"]


def test_all_begin_from_one_base_by_its_digest() -> None:
    bases = {base for file in DOCKERFILES for base in re.findall(r"^ARG DEBIAN=(.*)$", file.read_text(), re.MULTILINE)}
    assert len(bases) == 1
    assert re.fullmatch(r"debian:trixie-slim@sha256:[0-9a-f]{64}", bases.pop())


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_other_image_is_pulled(file: Path) -> None:
    text = file.read_text()
    stages = {"scratch", "${DEBIAN}", *re.findall(r" AS (\S+)$", text, re.MULTILINE)}
    begun = set(re.findall(r"^FROM (\S+)", text, re.MULTILINE))
    assert begun - stages == ({"${MEDIAIMPORT}"} if file == ROOT / "dev/Dockerfile" else set())


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_frontend_is_named_first(file: Path) -> None:
    assert file.read_text().startswith("# syntax=docker/dockerfile:1\n")


def test_no_version_of_python_is_written_into_a_path() -> None:
    assert not re.findall(r"python3\.\d+", (ROOT / "Dockerfile").read_text())
