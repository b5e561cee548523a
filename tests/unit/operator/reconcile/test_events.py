from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from mediaimport_api.names import LABEL_QUEUE
from mediaimport_operator.decide.plan import plan
from mediaimport_operator.observe.resource import read
from mediaimport_operator.reconcile.events import StoreCheck, status_event

from tests.support.operator_fakes import as_cluster

if TYPE_CHECKING:
    from mediaimport_operator.decide.observed import Observed
    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.operator_fakes import Build, FakeCluster


def event_of(build: Build, *, slot: bool = True, before: Object | None = None) -> Object | None:
    item = before or build.mediaimport()
    planned = plan(build.observed(item, slot=slot, jobs=[], pods=[]))
    assert planned.status is not None
    return status_event(read(item), planned.status, now=build.now)


def queued_for_kueue(build: Build) -> Object:
    """An import with the label of a queue, which an operator without Kueue ignores."""
    return build.mediaimport(meta={"labels": {LABEL_QUEUE: "films"}})


def test_event_has_the_conditions_reason(build: Build) -> None:
    posted = event_of(build, before=queued_for_kueue(build))
    assert posted is not None
    assert (posted["reason"], posted["type"]) == ("Starting", "Normal")
    assert posted["involvedObject"]["uid"] == build.uid


def test_start_that_is_like_any_other_has_no_event(build: Build) -> None:
    assert event_of(build) is None


def test_event_of_the_same_change_has_the_same_name(build: Build) -> None:
    first, second = (event_of(build, before=queued_for_kueue(build)) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first["metadata"]["name"] == second["metadata"]["name"]


def test_queued_import_has_no_event(build: Build) -> None:
    assert event_of(build, slot=False) is None


def test_failure_is_a_warning_event(build: Build) -> None:
    posted = event_of(build, before=build.mediaimport(source={"url": "ftp://nowhere"}))
    assert posted is not None
    assert (posted["type"], posted["reason"]) == ("Warning", "SpecInvalid")


def test_unchanged_reason_has_no_second_event(build: Build) -> None:
    planned = plan(build.observed())
    assert planned.status is not None
    assert status_event(read(build.after(planned)), planned.status, now=build.now) is None


# --- StoreCheck ---


def ended(build: Build, found: bool | None) -> Observed:  # noqa: FBT001 - what the importer found
    result = build.imported().model_copy(update={"conditional_writes": found})
    return build.observed(jobs=[build.job()], pods=[build.ended_pod(message=result.encode())])


@pytest.mark.anyio
async def test_importers_check_the_store_until_one_succeeds(build: Build, cluster: FakeCluster) -> None:
    check = StoreCheck(as_cluster(cluster))
    assert check.needed
    await check.read_result(ended(build, found=None))
    assert check.needed
    await check.read_result(ended(build, found=True))
    assert not check.needed
    assert cluster.events == []


@pytest.mark.anyio
async def test_store_that_overwrites_is_reported_in_log_and_event(
    build: Build, cluster: FakeCluster, caplog: pytest.LogCaptureFixture
) -> None:
    check = StoreCheck(as_cluster(cluster))
    await check.read_result(ended(build, found=False))
    (event,) = cluster.events
    assert (event["reason"], event["type"]) == ("StoreOverwrites", "Warning")
    assert "does not honour conditional writes" in event["message"]
    assert "does not honour conditional writes" in caplog.text
    assert check.needed


@pytest.mark.anyio
async def test_store_that_overwrites_is_reported_once_an_hour_for_each_namespace(
    build: Build, cluster: FakeCluster
) -> None:
    check = StoreCheck(as_cluster(cluster))
    for number, (minutes, namespace) in enumerate([(0, "media"), (59, "media"), (59, "other"), (61, "media")]):
        another = replace(build, uid=str(UUID(int=number)), now=build.now + timedelta(minutes=minutes))
        observed = ended(another, found=False)
        await check.read_result(replace(observed, resource=replace(observed.resource, namespace=namespace)))
    assert [each["involvedObject"]["namespace"] for each in cluster.events] == ["media", "other", "media"]


@pytest.mark.anyio
async def test_running_import_reports_nothing_about_the_store(build: Build, cluster: FakeCluster) -> None:
    check = StoreCheck(as_cluster(cluster))
    await check.read_result(build.observed(jobs=[build.job()]))
    assert check.needed
    assert json.dumps(cluster.events) == "[]"
