"""Fixtures of the prober's tests: real media."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.media_studio import Studio, session_studio
from tests.support.picture_studio import PictureStudio
from tests.support.running_prober import RunningProber, running_prober

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "trap(what, file, outcome): a row of docs/importer.md")
    config.addinivalue_line("markers", "attack(what, outcome): a row of docs/importer.md")


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return session_studio(tmp_path_factory)


@pytest.fixture(scope="module")
def prober(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProber]:
    with running_prober(tmp_path_factory.mktemp("prober")) as running:
        yield running


@pytest.fixture
def pictures(tmp_path: Path) -> PictureStudio:
    return PictureStudio(tmp_path)
