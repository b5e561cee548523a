"""A watched namespace is deleted, and the operator's RoleBinding in it goes before the MediaImports do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mediaimport_api.names import STORED_OBJECTS_FINALIZER
from mediaimport_operator.reconcile.context import Context
from mediaimport_operator.reconcile.worker import Reconciler
from mediaimport_runtime.kubernetes.errors import ConflictError, ForbiddenError

from tests.support.operator_fakes import UID, FakeCluster, as_cluster

if TYPE_CHECKING:
    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.operator_fakes import Build

pytestmark = pytest.mark.anyio


class WithoutRoleBinding(FakeCluster):
    """An API server that allows what the ClusterRole does, get and patch of MediaImports, and cleanup Jobs."""

    async def patch_status(self, namespace: str, name: str, patch: Object) -> Object:
        raise ForbiddenError(f"mediaimports/status {name} is forbidden in {namespace}: {list(patch)}", status=403)

    async def delete_job(self, namespace: str, name: str, *, uid: str) -> None:
        if not name.startswith("delete-"):
            raise ForbiddenError("jobs is forbidden", status=403)
        await super().delete_job(namespace, name, uid=uid)

    async def create_event(self, namespace: str, event: Object) -> None:
        raise ForbiddenError(f"events is forbidden in {namespace}: {event['reason']}", status=403)


@pytest.fixture
def cluster() -> WithoutRoleBinding:
    return WithoutRoleBinding()


def deleted(build: Build) -> Object:
    meta = {"finalizers": [STORED_OBJECTS_FINALIZER], "deletionTimestamp": "2030-01-01T11:59:00Z"}
    return build.mediaimport(deletionPolicy="Delete", meta=meta)


async def test_stored_objects_are_deleted_and_the_finalizer_goes(build: Build, cluster: WithoutRoleBinding) -> None:
    context = Context.create(build.settings(), as_cluster(cluster), clock=lambda: build.now)
    context.cache.imports.update(cluster.put("imports", deleted(build)))
    context.cache.jobs.update(build.job())
    reconciler = Reconciler(context)

    await reconciler.reconcile(UID)
    # The namespace's deletion removes the import's Job, and the watch of before shows it.
    context.cache.jobs.remove(build.job())
    await reconciler.reconcile(UID)
    (cleanup,) = cluster.objects["jobs"].values()
    cleanup["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
    await reconciler.reconcile(UID)

    assert cluster.objects["imports"] == {}
    assert "finalizers 0" in cluster.writes


async def test_finalizer_goes_although_no_watch_has_brought_the_newest_version(
    build: Build, cluster: WithoutRoleBinding
) -> None:
    context = Context.create(build.settings(), as_cluster(cluster), clock=lambda: build.now)
    item = deleted(build)
    item["spec"]["deletionPolicy"] = "Retain"
    context.cache.imports.update(cluster.put("imports", item))
    cluster.put("imports", cluster.objects["imports"]["film"])
    reconciler = Reconciler(context)

    with pytest.raises(ConflictError):
        await reconciler.reconcile(UID)
    await reconciler.reconcile(UID)

    assert cluster.objects["imports"] == {}


async def test_what_is_forbidden_in_a_living_namespace_is_an_error(build: Build, cluster: WithoutRoleBinding) -> None:
    context = Context.create(build.settings(), as_cluster(cluster), clock=lambda: build.now)
    context.cache.imports.update(cluster.put("imports", build.mediaimport()))
    with pytest.raises(ForbiddenError):
        await Reconciler(context).reconcile(UID)
