"""The webhook's requests to Kubernetes, under the real client against an API server in memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from mediaimport_runtime.kubernetes.errors import ConflictError, UnavailableError
from mediaimport_webhook.cluster import KubernetesCluster
from mediaimport_webhook.generation.records import Records

from tests.support.fake_api.faults import answer
from tests.support.fake_api.server import FakeApi

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web

pytestmark = pytest.mark.anyio
DAY = timedelta(days=1)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    async with FakeApi().serving() as serving:
        yield serving


@pytest.fixture
async def cluster(api: FakeApi) -> AsyncIterator[KubernetesCluster]:
    async with api.client() as client:
        yield KubernetesCluster(client, namespace="media", pod_name="webhook-1", deployment_name=None)


def put_import(api: FakeApi, name: str, *, source: str) -> None:
    about = {"name": name, "namespace": "media", "labels": {"mediaimport.dev/source": source}}
    api.put("mediaimports", {"metadata": about, "spec": {"source": {"url": "https://example.com/"}}})


async def test_names_are_listed_by_label_in_pages_of_metadata(api: FakeApi, cluster: KubernetesCluster) -> None:
    accepted: list[str] = []

    async def note(request: web.Request) -> None:
        accepted.append(request.headers["Accept"])

    api.fault("GET /apis/mediaimport.dev", note)
    for number in range(1001):
        put_import(api, f"ours{number}", source="replicate")
    put_import(api, "other", source="fal")
    found = await cluster.import_names({"mediaimport.dev/source": "replicate"})
    assert found == {f"ours{number}" for number in range(1001)}
    assert len(accepted) == 3
    assert {each.partition(",")[0] for each in accepted} == {
        "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    }


async def test_import_is_deleted_at_one_version_only(api: FakeApi, cluster: KubernetesCluster) -> None:
    put_import(api, "a", source="replicate")
    (before,) = api.objects.of("mediaimports", "media")
    version = before["metadata"]["resourceVersion"]
    await cluster.patch_import("a", {"spec": {"run": "2"}})
    with pytest.raises(ConflictError):
        await cluster.delete_import("a", version=version)
    assert len(api.objects.of("mediaimports", "media")) == 1
    (changed,) = api.objects.of("mediaimports", "media")
    await cluster.delete_import("a", version=changed["metadata"]["resourceVersion"])
    assert api.objects.of("mediaimports", "media") == []


async def test_record_is_a_lease_that_one_of_two_replicas_creates(api: FakeApi, cluster: KubernetesCluster) -> None:
    records = Records(cluster, clock=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    created = [await records.create("a", {"by": each}, kind="test", lifetime=DAY) for each in "xy"]
    assert [each is not None for each in created] == [True, False]
    (lease,) = api.objects.of("leases", "media")
    assert lease["spec"] == {"acquireTime": "2026-01-01T00:00:00.000000Z", "leaseDurationSeconds": 86400}
    found = await records.get("a")
    assert found is not None
    assert found.data == {"by": "x"}
    assert await records.get("b") is None


async def test_record_is_replaced_at_the_version_that_was_read(cluster: KubernetesCluster) -> None:
    records = Records(cluster)
    record = await records.create("a", {"by": "x"}, kind="test", lifetime=DAY)
    assert record is not None
    assert await records.replace(record, {"by": "y"}) is not None
    assert await records.replace(record, {"by": "z"}) is None
    await records.delete("a")
    await records.delete("a")
    assert await records.replace(record, {"by": "z"}) is None


async def test_expired_records_are_deleted_and_no_other_lease(api: FakeApi, cluster: KubernetesCluster) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    await Records(cluster, clock=lambda: now).create("old", {}, kind="test", lifetime=DAY)
    await Records(cluster, clock=lambda: now).create("kept", {}, kind="test", lifetime=7 * DAY)
    api.put("leases", {"metadata": {"name": "mediaimport-operator", "namespace": "media"}, "spec": {}})
    await Records(cluster, clock=lambda: now + 3 * DAY).delete_expired()
    assert {each["metadata"]["name"] for each in api.objects.of("leases")} == {"kept", "mediaimport-operator"}


async def test_missing_right_on_leases_is_the_installations_fault(api: FakeApi, cluster: KubernetesCluster) -> None:
    api.fault("leases", answer(403, '{"kind": "Status", "message": "forbidden", "code": 403}'))
    with pytest.raises(UnavailableError):
        await Records(cluster).create("a", {}, kind="test", lifetime=DAY)
