"""Fixtures of the prober's tests: real media."""

from __future__ import annotations

import pytest

from tests.support.media_studio import Studio, open_studio


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "attack(what, outcome): a row of docs/importer.md")


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return open_studio(tmp_path_factory.mktemp("media"))
