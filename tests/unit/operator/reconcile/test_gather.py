"""Resources are read once for each version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaimport_operator.reconcile.gather import READ_RESOURCES, ReadResources

if TYPE_CHECKING:
    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.operator_fakes import Build


def version(build: Build, number: int, uid: str = "one") -> Object:
    return build.mediaimport(meta={"uid": uid, "resourceVersion": str(number)})


def test_resource_is_read_once_for_each_version(build: Build) -> None:
    resources = ReadResources()
    first = resources.resource(version(build, 1))
    assert resources.resource(version(build, 1)) is first
    second = resources.resource(version(build, 2))
    assert (second is first, second.version) == (False, "2")
    assert resources.resource(version(build, 2, uid="other")).uid == "other"


def test_object_without_a_version_is_read_each_time(build: Build) -> None:
    resources, item = ReadResources(), version(build, 1)
    del item["metadata"]["resourceVersion"]
    assert resources.resource(item) is not resources.resource(item)


def test_resource_that_was_read_longest_ago_is_read_again(build: Build) -> None:
    resources = ReadResources()
    kept, dropped = (resources.resource(version(build, 1, uid=uid)) for uid in ("kept", "dropped"))
    assert resources.resource(version(build, 1, uid="kept")) is kept
    for number in range(READ_RESOURCES - 1):
        resources.resource(version(build, 1, uid=f"another-{number}"))
    assert resources.resource(version(build, 1, uid="kept")) is kept
    assert resources.resource(version(build, 1, uid="dropped")) is not dropped
