from __future__ import annotations

import pytest

from tests.support.operator_fakes import Build, FakeCluster


@pytest.fixture
def build() -> Build:
    return Build()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()
