from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from mediaimport_operator.reconcile.events import StoreCheck

if TYPE_CHECKING:
    from mediaimport_operator.decide.observed import Observed

    from tests.support.operator_fakes import Build, FakeCluster

pytestmark = pytest.mark.anyio


def ended(build: Build, found: bool | None) -> Observed:  # noqa: FBT001  what the importer found
    result = build.imported().model_copy(update={"conditional_writes": found})
    return build.observed(jobs=[build.job()], pods=[build.ended_pod(message=result.encode())])


async def test_importers_check_the_store_until_one_succeeds(build: Build, cluster: FakeCluster) -> None:
    check = StoreCheck(cluster)
    assert check.needed
    await check.read_result(ended(build, found=None))
    assert check.needed
    await check.read_result(ended(build, found=True))
    assert not check.needed
    assert cluster.events == []


async def test_store_that_overwrites_is_reported_in_log_and_event(
    build: Build, cluster: FakeCluster, caplog: pytest.LogCaptureFixture
) -> None:
    check = StoreCheck(cluster)
    await check.read_result(ended(build, found=False))
    (event,) = cluster.events
    assert (event["reason"], event["type"]) == ("StoreOverwrites", "Warning")
    assert "does not honour conditional writes" in event["message"]
    assert "does not honour conditional writes" in caplog.text
    assert check.needed


async def test_running_import_reports_nothing_about_the_store(build: Build, cluster: FakeCluster) -> None:
    check = StoreCheck(cluster)
    await check.read_result(build.observed(jobs=[build.job()]))
    assert check.needed
    assert json.dumps(cluster.events) == "[]"
