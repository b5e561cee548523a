from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from mediaimport_operator.reconcile.store_check import StoreCheck

if TYPE_CHECKING:
    from mediaimport_operator.decide.observed import Observed

    from tests.unit.operator.conftest import Build, FakeCluster

pytestmark = pytest.mark.anyio


def ended(build: Build, found: bool | None) -> Observed:  # noqa: FBT001  what the importer found
    result = build.imported().model_copy(update={"conditional_writes": found})
    return build.observed(jobs=[build.job()], pods=[build.ended_pod(message=result.encode())])


async def test_importers_are_asked_until_one_says_yes(build: Build, cluster: FakeCluster) -> None:
    check = StoreCheck(cluster)
    assert check.wanted
    await check.learn(ended(build, found=None))
    assert check.wanted
    await check.learn(ended(build, found=True))
    assert not check.wanted
    assert cluster.events == []


async def test_store_that_overwrites_is_told_of_aloud(
    build: Build, cluster: FakeCluster, caplog: pytest.LogCaptureFixture
) -> None:
    check = StoreCheck(cluster)
    await check.learn(ended(build, found=False))
    (told,) = cluster.events
    assert (told["reason"], told["type"]) == ("StoreOverwrites", "Warning")
    assert "does not honour conditional writes" in told["message"]
    assert "does not honour conditional writes" in caplog.text
    assert check.wanted


async def test_an_import_that_goes_on_says_nothing(build: Build, cluster: FakeCluster) -> None:
    check = StoreCheck(cluster)
    await check.learn(build.observed(jobs=[build.job()]))
    assert check.wanted
    assert json.dumps(cluster.events) == "[]"
