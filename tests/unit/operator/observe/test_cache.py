from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from mediaimport_operator.observe.cache import Cache, ImportCache, OwnedCache, World

if TYPE_CHECKING:
    from mediaimport_runtime.kubernetes.objects import Object

    from tests.unit.operator.conftest import Build


def thing(uid: str, version: int, namespace: str = "media") -> Object:
    return {"metadata": {"uid": uid, "namespace": namespace, "resourceVersion": str(version), "managedFields": []}}


def test_an_older_version_never_replaces_a_newer_one() -> None:
    cache = Cache()
    assert cache.see(thing("a", 10))
    assert not cache.see(thing("a", 9))
    assert not cache.see(thing("a", 10))
    assert cache.see(thing("a", 11))


def test_what_was_deleted_does_not_come_back_by_a_list_that_was_under_way() -> None:
    cache = Cache()
    cache.see(thing("a", 1))
    cache.forget_deletions()
    listed = [thing("a", 1)]
    cache.forget(thing("a", 2))
    assert cache.replace("media", listed, "1") == []
    assert len(cache) == 0


def test_a_list_tells_what_has_gone_unseen() -> None:
    cache = Cache()
    cache.see(thing("a", 1))
    cache.see(thing("b", 2))
    assert cache.replace("media", [thing("b", 2)], "5") == ["a"]


def test_a_list_does_not_drop_what_came_after_it() -> None:
    cache = Cache()
    cache.see(thing("young", 9))
    assert cache.replace("media", [], "5") == []
    assert cache.get("young") is not None


def test_a_list_of_one_namespace_leaves_the_others_alone() -> None:
    cache = Cache()
    cache.see(thing("a", 1, namespace="other"))
    assert cache.replace("media", [], "5") == []


def test_managed_fields_are_not_kept() -> None:
    cache = Cache()
    cache.see(thing("a", 1))
    assert "managedFields" not in next(iter(cache))["metadata"]


def test_jobs_are_found_by_their_import(build: Build) -> None:
    cache = OwnedCache()
    cache.see(build.job(1))
    cache.see(build.job(2))
    assert len(cache.of(build.uid)) == 2
    cache.forget(build.job(1))
    assert [each["metadata"]["uid"] for each in cache.of(build.uid)] == [build.job(2)["metadata"]["uid"]]
    assert cache.of("another") == []


def test_only_pods_that_have_ended_leave_a_relic(build: Build) -> None:
    world = World()
    world.forget_pod(build.running_pod())
    assert world.relics == {}
    world.forget_pod(build.ended_pod() | {"spec": {"containers": []}})
    assert list(world.relics) == [build.uid]
    (relic,) = world.relics[build.uid].values()
    assert (relic["spec"], relic["status"]) == ({}, build.ended_pod()["status"])


def test_what_is_over_is_packed_and_comes_back_whole(build: Build) -> None:
    cache = ImportCache()
    item = build.mediaimport() | {"status": {"completedAt": "2030-01-01T12:00:00Z", "phase": "Ready"}}
    before = copy.deepcopy(item)
    assert cache.see(item)
    assert not cache.see(copy.deepcopy(before))
    assert cache.get(build.uid) == before
    assert list(cache) == [before]
    again = build.mediaimport(meta={"resourceVersion": "8"})
    assert cache.see(again)
    assert (cache.get(build.uid), len(cache)) == (again, 1)
    assert cache.forget(again)
    assert (cache.get(build.uid), len(cache)) == (None, 0)


def test_what_waits_or_has_ended_is_packed_and_what_runs_is_not(build: Build) -> None:
    imports, jobs, pods = ImportCache(), OwnedCache(), OwnedCache()
    queued = build.mediaimport() | {"status": {"phase": "Queued"}}
    unseen = build.mediaimport(meta={"uid": "unseen"})
    done, over = build.complete_job(), build.ended_pod(phase="Succeeded")
    for cache, item in ((ImportCache(), unseen), (imports, queued), (jobs, done), (pods, over)):
        cache.see(item)
        assert [type(each) for each in cache._items.values()] == [bytes]
    assert imports.get(build.uid) == queued
    assert jobs.of(build.uid)[0]["status"] == build.complete_job()["status"]
    (running,) = (build.running_pod(),)
    pods.see(running | {"metadata": running["metadata"] | {"resourceVersion": "10"}})
    assert [type(each) for each in pods._items.values()] == [dict]


def test_of_specs_only_what_a_pass_asks_for_is_kept(build: Build) -> None:
    world = World()
    world.jobs.see(build.job() | {"spec": {"suspend": True, "template": {"large": True}}})
    world.pods.see(build.pod() | {"spec": {"containers": []}})
    assert [each["spec"] for each in (*world.jobs, *world.pods)] == [{"suspend": True}, {}]
