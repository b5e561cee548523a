"""The requests that the operator sends: the resource, the subresource, and the preconditions of a deletion."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest
from mediaimport_operator.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mediaimport_runtime.kubernetes.client import Client
    from mediaimport_runtime.kubernetes.objects import Object

pytestmark = pytest.mark.anyio

MEDIAIMPORTS = "/apis/mediaimport.dev/v1alpha1/namespaces/media/mediaimports"


@dataclass
class RecordingClient:
    """A client that sends nothing."""

    sent: list[tuple[str, str, object]] = field(default_factory=list)

    async def items(self, path: str, query: Mapping[str, str]) -> list[Object]:
        self.sent.append(("items", path, query))
        return []

    async def create(self, path: str, body: Object) -> Object:
        self.sent.append(("create", path, body))
        return body

    async def replace(self, path: str, body: Object) -> Object:
        self.sent.append(("replace", path, body))
        return body

    async def patch(self, path: str, patch: Object) -> Object:
        self.sent.append(("patch", path, patch))
        return patch

    async def delete(self, path: str, preconditions: Mapping[str, str] | None = None) -> Object:
        self.sent.append(("delete", path, preconditions))
        return {}


@pytest.fixture
def client() -> RecordingClient:
    return RecordingClient()


@pytest.fixture
def requests(client: RecordingClient) -> Cluster:
    return Cluster(cast("Client", client))


async def test_status_is_written_to_its_subresource_and_metadata_to_the_resource(
    client: RecordingClient, requests: Cluster
) -> None:
    await requests.patch_status("media", "film", {"status": {}})
    await requests.patch_import("media", "film", {"metadata": {}})
    assert client.sent == [
        ("patch", f"{MEDIAIMPORTS}/film/status", {"status": {}}),
        ("patch", f"{MEDIAIMPORTS}/film", {"metadata": {}}),
    ]


async def test_job_is_deleted_only_with_its_uid(client: RecordingClient, requests: Cluster) -> None:
    await requests.delete_job("media", "film-1", uid="u")
    assert client.sent == [("delete", "/apis/batch/v1/namespaces/media/jobs/film-1", {"uid": "u"})]


async def test_import_is_deleted_only_at_the_version_that_was_seen(client: RecordingClient, requests: Cluster) -> None:
    await requests.delete_import("media", "film", uid="u", version="7")
    assert client.sent == [("delete", f"{MEDIAIMPORTS}/film", {"uid": "u", "resourceVersion": "7"})]


async def test_lease_with_a_version_is_replaced_and_one_without_is_created(
    client: RecordingClient, requests: Cluster
) -> None:
    path = "/apis/coordination.k8s.io/v1/namespaces/media/leases"
    new, known = {"metadata": {"name": "l"}}, {"metadata": {"name": "l", "resourceVersion": "3"}}
    await requests.put_lease("media", new)
    await requests.put_lease("media", known)
    assert client.sent == [("create", path, new), ("replace", f"{path}/l", known)]


async def test_only_the_events_of_the_jobs_refused_pods_are_read(client: RecordingClient, requests: Cluster) -> None:
    await requests.refused_pods("media", job_uid="u")
    query = {"fieldSelector": "involvedObject.uid=u,reason=FailedCreate"}
    assert client.sent == [("items", "/api/v1/namespaces/media/events", query)]


async def test_metadata_that_are_too_long_are_cut_from_every_answer(requests: Cluster) -> None:
    large = {"spec": {"metadata": {"a": "x" * 9000}}}
    for kept in (
        await requests.patch_status("media", "film", large),
        await requests.patch_import("media", "film", large),
    ):
        assert kept["spec"]["metadata"] == {}
