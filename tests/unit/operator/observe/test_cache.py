from __future__ import annotations

import copy
import gc
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.names import LABEL_ATTEMPT
from mediaimport_operator.observe import resource
from mediaimport_operator.observe.cache import ClusterCache, ImportCache, JobCache, PodCache
from mediaimport_operator.observe.object_cache import Cache
from mediaimport_operator.observe.owned import pods_of, read_jobs
from mediaimport_operator.observe.resource import Due

if TYPE_CHECKING:
    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.operator_fakes import Build


def thing(uid: str, version: int, namespace: str = "media") -> Object:
    return {"metadata": {"uid": uid, "namespace": namespace, "resourceVersion": str(version), "managedFields": []}}


def replaced(cache: Cache, listed: list[Object], version: str) -> list[str]:
    """Store a whole list; return the imports that need a reconcile."""
    changed = [cache.store_listed(each) for each in listed]
    missing = cache.remove_missing("media", {each["metadata"]["uid"] for each in listed}, version)
    return [each for each in (*changed, *missing) if each]


def test_an_older_version_never_replaces_a_newer_one() -> None:
    cache = Cache()
    assert cache.update(thing("a", 10))
    assert not cache.update(thing("a", 9))
    assert not cache.update(thing("a", 10))
    assert cache.update(thing("a", 11))


def test_list_that_began_before_a_deletion_does_not_restore_the_object() -> None:
    cache = Cache()
    cache.update(thing("a", 1))
    cache.forget_deletions("media")
    listed = [thing("a", 1)]
    cache.remove(thing("a", 2))
    assert replaced(cache, listed, "1") == []
    assert len(cache) == 0


def test_list_finds_deletions_that_no_watch_reported() -> None:
    cache = Cache()
    cache.update(thing("a", 1))
    cache.update(thing("b", 2))
    assert replaced(cache, [thing("b", 2)], "5") == ["a"]


def test_list_keeps_objects_that_are_newer_than_it() -> None:
    cache = Cache()
    cache.update(thing("young", 9))
    assert replaced(cache, [], "5") == []
    assert cache.get("young") is not None


def test_list_of_one_namespace_keeps_the_objects_of_others() -> None:
    cache = Cache()
    cache.update(thing("a", 1, namespace="other"))
    assert replaced(cache, [], "5") == []


def test_managed_fields_are_not_kept() -> None:
    cache = Cache()
    cache.update(thing("a", 1))
    assert "managedFields" not in next(iter(cache))["metadata"]


def test_jobs_are_found_by_their_import(build: Build) -> None:
    cache = JobCache()
    cache.update(build.job(1))
    cache.update(build.job(2))
    assert len(cache.of_import(build.uid)) == 2
    cache.remove(build.job(1))
    assert [each["metadata"]["uid"] for each in cache.of_import(build.uid)] == [build.job(2)["metadata"]["uid"]]
    assert cache.of_import("another") == []


def test_pod_that_never_ran_is_not_kept_after_its_deletion(build: Build) -> None:
    cache = ClusterCache()
    cache.remove_pod(build.pod())
    assert cache.deleted_pods == {}


def test_pod_that_ran_is_kept_after_its_deletion(build: Build) -> None:
    cache = ClusterCache()
    assert cache.remove_pod(build.running_pod()), "its last state needs a reconcile, though a list had dropped it"
    assert list(cache.deleted_pods) == [build.uid]


def test_deleted_pod_is_kept_without_its_spec(build: Build) -> None:
    cache = ClusterCache()
    cache.remove_pod(build.ended_pod() | {"spec": {"containers": []}})
    assert list(cache.deleted_pods) == [build.uid]
    (kept,) = cache.deleted_pods[build.uid].values()
    assert (kept["spec"], kept["status"]) == ({}, build.ended_pod()["status"])


def test_completed_import_is_packed_and_unpacked_unchanged(build: Build) -> None:
    cache = ImportCache()
    item = build.mediaimport() | {"status": {"completedAt": "2030-01-01T12:00:00Z", "phase": "Ready"}}
    before = copy.deepcopy(item)
    assert cache.update(item)
    assert not cache.update(copy.deepcopy(before))
    assert cache.get(build.uid) == before
    assert list(cache) == [before]
    again = build.mediaimport(meta={"resourceVersion": "8"})
    assert cache.update(again)
    assert (cache.get(build.uid), len(cache)) == (again, 1)
    assert cache.remove(again)
    assert (cache.get(build.uid), len(cache)) == (None, 0)


def finished(build: Build, *, ttl_s: int | None = None, **status: object) -> Object:
    spec: dict[str, Any] = {} if ttl_s is None else {"ttlSecondsAfterFinished": ttl_s}
    ended = {"completedAt": "2030-01-01T12:00:00Z", "phase": "Ready", "observedGeneration": 1}
    return build.mediaimport(**spec) | {"status": ended | status}


def test_completed_import_that_a_list_brings_first_needs_no_reconcile(build: Build) -> None:
    cache = ImportCache()
    assert cache.store_listed(finished(build)) is None
    assert (cache.due(Due.NOW, Due.AFTER_TTL), len(cache)) == ([], 1)
    again = finished(build) | {"metadata": finished(build)["metadata"] | {"resourceVersion": "99"}}
    assert cache.store_listed(again) == build.uid, "it may hold a slot"
    assert cache.store_listed(again) is None


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({}, Due.NEVER),
        ({"ttl_s": 7200}, Due.AFTER_TTL),
        ({"run": "before"}, Due.NOW),
        ({"observedGeneration": 0}, Due.NOW),
        ({"conditions": [{"type": "Reconciling", "status": "True"}]}, Due.NOW),
        ({"conditions": [{"type": "Notified", "status": "False", "reason": "NotificationPending"}]}, Due.NOW),
        ({"conditions": [{"type": "Notified", "status": "False", "reason": "NotificationGivenUp"}]}, Due.NEVER),
        ({"conditions": 7}, Due.NOW),
    ],
    ids=str,
)
def test_completed_import_is_due_as_its_status_and_its_time_to_live_say(
    build: Build, item: dict[str, Any], expected: Due
) -> None:
    cache = ImportCache()
    cache.update(finished(build, **item))
    assert cache.due(expected) == [build.uid]


@pytest.mark.parametrize(
    "change", [{"deletionTimestamp": "2030-01-01T12:00:00Z"}, {"finalizers": ["mediaimport.dev/stored-objects"]}]
)
def test_completed_import_with_a_deletion_or_a_finalizer_to_see_to_is_due(build: Build, change: dict[str, Any]) -> None:
    cache, item = ImportCache(), finished(build)
    cache.update(item | {"metadata": item["metadata"] | change})
    assert cache.due(Due.NOW) == [build.uid]


def test_pods_of_a_completed_import_need_no_reconcile(build: Build) -> None:
    cache = ClusterCache()
    cache.imports.update(finished(build))
    assert not cache.update_pod(with_version(build.running_pod(), 1))
    assert len(cache.pods) == 1
    assert not cache.update_pod(with_version(build.ended_pod(), 2))
    assert not cache.remove_pod(build.ended_pod())
    assert (len(cache.pods), cache.deleted_pods) == (0, {})
    cache.imports.update(build.mediaimport(meta={"resourceVersion": "99"}, run="again"))
    assert cache.update_pod(with_version(build.pod(2), 3))


def test_metadata_that_are_too_long_are_not_kept(build: Build) -> None:
    cache = ImportCache()
    cache.update(build.mediaimport(metadata={"a": "x" * 9000}))
    kept = cache.get(build.uid)
    assert kept is not None
    assert kept["spec"]["metadata"] == {}
    owner = resource.read(kept)
    assert owner.validation_error == "spec.metadata: has 9008 bytes of JSON; at most 8192 are kept"
    assert owner.spec is None


def test_inactive_objects_are_packed_and_running_ones_are_not(build: Build) -> None:
    imports, jobs, pods = ImportCache(), JobCache(), PodCache()
    queued = build.mediaimport() | {"status": {"phase": "Queued"}}
    unseen = build.mediaimport(meta={"uid": "unseen"})
    done, over = build.complete_job(), build.ended_pod(phase="Succeeded")
    for cache, item in ((ImportCache(), unseen), (imports, queued), (jobs, done), (pods, over)):
        cache.update(item)
        assert [type(each) for each in cache._items.values()] == [bytes]
    assert imports.get(build.uid) == queued
    assert jobs.of_import(build.uid)[0]["status"] == build.complete_job()["status"]
    (running,) = (build.running_pod(),)
    pods.update(running | {"metadata": running["metadata"] | {"resourceVersion": "10"}})
    assert [type(each) for each in pods._items.values()] == [dict]


def test_only_the_spec_fields_that_a_reconcile_reads_are_kept(build: Build) -> None:
    cache = ClusterCache()
    cache.jobs.update(build.job() | {"spec": {"suspend": True, "template": {"large": True}}})
    cache.pods.update(build.pod() | {"spec": {"containers": []}})
    assert [each["spec"] for each in (*cache.jobs, *cache.pods)] == [{"suspend": True}, {}]


# --- reads ---


def test_import_is_read_once_for_each_version(build: Build) -> None:
    cache = ImportCache()
    cache.update(build.mediaimport(meta={"resourceVersion": "1"}))
    first = cache.resource(build.uid)
    assert cache.resource(build.uid) is first
    cache.update(build.mediaimport(meta={"resourceVersion": "2"}))
    second = cache.resource(build.uid)
    assert second is not None
    assert second.version == "2"
    cache.remove(build.mediaimport())
    assert cache.resource(build.uid) is None


def test_jobs_and_pods_are_read_once_for_each_version(build: Build) -> None:
    cache = ClusterCache()
    cache.jobs.update(with_version(build.job(), 1))
    cache.pods.update(with_version(build.pod(), 1))
    (job,), (pod,) = cache.jobs.owned_of_import(build.uid), cache.pods.owned_of_import(build.uid)
    assert cache.jobs.owned_of_import(build.uid)[0].value is job.value
    assert cache.pods.owned_of_import(build.uid)[0].value is pod.value
    cache.jobs.update(with_version(build.complete_job(), 2))
    cache.pods.update(with_version(build.running_pod(), 2))
    assert not job.value.complete
    assert cache.jobs.owned_of_import(build.uid)[0].value.complete
    assert cache.pods.owned_of_import(build.uid)[0].value.importer.running_since is not None


def test_object_that_comes_back_with_the_version_it_had_is_read_again(build: Build) -> None:
    cache = ClusterCache().jobs
    cache.update(build.job())
    assert cache.owned_of_import(build.uid)[0].value.attempt == 1
    cache.remove(build.job())
    assert cache.owned_of_import(build.uid) == []
    relabelled = build.job()
    relabelled["metadata"]["labels"] = relabelled["metadata"]["labels"] | {LABEL_ATTEMPT: "2"}
    cache.restore(relabelled)
    assert cache.owned_of_import(build.uid)[0].value.attempt == 2


def test_foreign_object_that_cannot_be_read_is_never_read(build: Build) -> None:
    cache = ClusterCache().pods
    cache.update(with_version(build.pod(meta={"ownerReferences": []}), 1, containerStatuses=["odd"]))
    assert pods_of(cache.owned_of_import(build.uid), jobs=read_jobs([build.job()], owner_uid=build.uid)) == ()


# --- news ---


def with_version(item: Object, version: int, **changes: Any) -> Object:  # noqa: ANN401 - JSON
    """The object some writes later, with other parts in its status."""
    meta = item["metadata"] | {"resourceVersion": str(version)}
    return item | {"metadata": meta, "status": (item.get("status") or {}) | changes}


def waiting(reason: str) -> Object:
    return {"containerStatuses": [{"name": "importer", "state": {"waiting": {"reason": reason}}}]}


def test_pod_that_starts_as_every_pod_does_is_no_news_until_its_importer_runs(build: Build) -> None:
    cache = ClusterCache().pods
    assert cache.update_with_news(with_version(build.pod(), 1, phase="Pending"))
    scheduled = {"conditions": [{"type": "PodScheduled", "status": "True"}]}
    started = {
        "initContainerStatuses": [{"name": "prober", "state": {"running": {"startedAt": "2030-01-01T12:00:00Z"}}}]
    }
    for version, status in enumerate((scheduled, waiting("PodInitializing"), waiting("ContainerCreating"), started), 2):
        assert not cache.update_with_news(with_version(build.pod(), version, phase="Pending", **status))
    assert cache.update_with_news(with_version(build.running_pod(), 6))
    assert cache.update_with_news(with_version(build.ended_pod(message=b"{}"), 7))


@pytest.mark.parametrize(
    "status",
    [
        waiting("ImagePullBackOff"),
        {"initContainerStatuses": [{"name": "prober", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]},
        {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes"}]},
        {"conditions": [{"type": "DisruptionTarget", "status": "True", "message": "evicted"}]},
        {"phase": "Failed", "reason": "Evicted"},
    ],
    ids=["image", "prober", "unschedulable", "disruption", "evicted"],
)
def test_cause_that_keeps_a_pod_from_running_is_news(build: Build, status: Object) -> None:
    cache = ClusterCache().pods
    cache.update_with_news(with_version(build.pod(), 1, phase="Pending"))
    assert cache.update_with_news(with_version(build.pod(), 2, **({"phase": "Pending"} | status)))


def test_deletion_and_another_owner_of_a_pod_are_news(build: Build) -> None:
    cache = ClusterCache().pods
    cache.update_with_news(with_version(build.running_pod(), 1))
    deleting, orphaned = (with_version(build.running_pod(), version) for version in (2, 3))
    deleting["metadata"]["deletionTimestamp"] = "2030-01-01T12:00:30Z"
    assert cache.update_with_news(deleting)
    orphaned["metadata"] |= {"deletionTimestamp": "2030-01-01T12:00:30Z", "ownerReferences": []}
    assert cache.update_with_news(orphaned)


def test_news_are_those_since_the_version_that_a_list_has_brought(build: Build) -> None:
    cache = ClusterCache().pods
    assert cache.update_with_news(with_version(build.running_pod(), 1))
    assert cache.update(with_version(build.ended_pod(message=b"{}"), 2))
    assert cache.update_with_news(with_version(build.running_pod(), 3)), "it differs from the ended one"
    assert not cache.update_with_news(with_version(build.running_pod(), 4))


def test_jobs_counters_are_no_news_and_its_end_is(build: Build) -> None:
    cache = ClusterCache().jobs
    assert cache.update_with_news(with_version(build.job(), 1))
    assert not cache.update_with_news(with_version(build.job(), 2, active=1, startTime="2030-01-01T12:00:00Z"))
    assert not cache.update_with_news(with_version(build.job(), 3, active=1, ready=1))
    complete = [{"type": "Complete", "status": "True"}]
    assert cache.update_with_news(with_version(build.job(), 4, conditions=complete))
    assert cache.update_with_news(with_version(build.job(), 5, conditions=complete) | {"spec": {"suspend": True}})


def test_import_is_news_with_every_version(build: Build) -> None:
    cache = ImportCache()
    assert cache.update_with_news(build.mediaimport())
    assert not cache.update_with_news(build.mediaimport())
    assert cache.update_with_news(build.mediaimport(meta={"resourceVersion": "99"}))


def test_pod_that_cannot_be_read_is_news(build: Build) -> None:
    cache = ClusterCache().pods
    cache.update_with_news(with_version(build.pod(), 1))
    assert cache.update_with_news(with_version(build.pod(), 2, containerStatuses=["odd"]))
    assert cache.update_with_news(with_version(build.pod(), 3)), "also the version after it"


def test_ended_imports_are_nothing_for_the_garbage_collector(build: Build) -> None:
    caches = ClusterCache()
    gc.collect()
    before = len(gc.get_objects())
    for number in range(1_000):
        uid = f"uid-{number}"
        owner = {"labels": {"mediaimport.dev/uid": uid}}
        caches.imports.update(finished(build) | {"metadata": build.mediaimport()["metadata"] | {"uid": uid}})
        for cache, item in ((caches.jobs, build.complete_job()), (caches.pods, build.pod(phase="Succeeded"))):
            cache.update(item | {"metadata": item["metadata"] | owner | {"uid": f"{uid}-{item['metadata']['name']}"}})
    gc.collect()
    assert (len(caches.imports), len(caches.jobs), len(caches.pods)) == (1_000, 1_000, 1_000)
    assert len(gc.get_objects()) < before + 100
