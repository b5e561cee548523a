"""A MediaImport from whatever the API server has stored: no spec and no status raises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.sidecar import source_fingerprint
from mediaimport_api.status import Status
from mediaimport_operator.observe.resource import read

if TYPE_CHECKING:
    from tests.support.operator_fakes import Build


KEY = "incoming/ada/0d5d4b1e-98a7-5f3c-8a57-1a1c7a2c9b54"


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def generated(**recipe: object) -> dict[str, object]:
    return {"name": "replicate", "id": "p1", **recipe}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"source": {"expiresAt": "9999-12-31T23:59:59-01:00"}}, "spec.source.expiresAt: is not a time between"),
        ({"metadata": {"a": nested(300)}}, "spec.metadata: is nested 301 levels deep; at most 32 are kept"),
        ({"metadata": {"a": nested(9000)}}, "spec.metadata: is nested 9001 levels deep"),
        ({"metadata": {"a": "x" * 9000}}, "spec.metadata: has 9008 bytes of JSON; at most 8192 are kept"),
        ({"source": {"store": {"key": KEY}}}, "spec.source: source needs exactly one of url and store"),
        (
            {"source": {"provider": generated(input={"a": "x" * 9000})}},
            "spec.source.provider.input: has 9008 bytes of JSON",
        ),
        (
            {"source": {"provider": generated(input={"a": "x" * 5000}, metrics={"b": "x" * 5000})}},
            "spec.source.provider: has 10079 bytes of JSON; at most 8192 are kept",
        ),
        (
            {"source": {"provider": generated(input={"a": nested(9000)})}},
            "spec.source.provider.input: is nested 9001 levels deep; at most 32 are kept",
        ),
        ({"source": {"url": "https://[::1/a"}}, "spec.source.url: is not a URL with a valid host and port"),
        ({"ttlSecondsAfterFinished": 2**63 - 1}, "spec.ttlSecondsAfterFinished: "),
        ({"type": "hologram"}, "spec.type: "),
        ({"later": 1, "type": "hologram"}, "spec.type: "),
    ],
)
def test_spec_that_is_not_valid_is_a_message_that_names_the_field(
    build: Build, spec: dict[str, Any], message: str
) -> None:
    resource = read(build.mediaimport(**spec))
    assert resource.spec is None
    assert str(resource.validation_error).startswith(message)
    assert "signature=secret" not in str(resource.validation_error)
    assert (resource.claim.key, resource.claim.user) == (build.uid, "")


def test_generation_beyond_what_json_readers_represent_exactly_is_cut(build: Build) -> None:
    assert read(build.mediaimport(meta={"generation": 2**63 - 1})).generation == 2**53 - 1
    item = build.mediaimport()
    del item["metadata"]["generation"]
    assert read(item).generation is None


@pytest.mark.parametrize("spec", [["a list"], "text", 7])
def test_spec_that_is_no_object_is_a_message(build: Build, spec: object) -> None:
    assert read(build.mediaimport() | {"spec": spec}).validation_error is not None


def test_unknown_fields_are_passed_over_at_every_depth(build: Build) -> None:
    item = build.mediaimport(later={"a": 1}, source={"alsoLater": [1]}, limits={"attempts": 2, "later": None})
    resource = read(item)
    assert resource.validation_error is None
    assert resource.unknown_fields == ("spec.source.alsoLater", "spec.limits.later", "spec.later")
    assert resource.spec is not None
    assert (resource.spec.limits.attempts, resource.spec.user_id) == (2, "ada")
    assert item["spec"]["later"] == {"a": 1}, "the cached object is not changed"


@pytest.mark.parametrize("status", [{"phase": "Later"}, {"completedAt": "9999-12-31T23:59:59-01:00"}, ["a list"]])
def test_status_that_cannot_be_parsed_is_an_empty_one(build: Build, status: object) -> None:
    assert read(build.mediaimport() | {"status": status}).status == Status()


@pytest.mark.parametrize("more", [{}, {"type": "hologram"}])
def test_object_of_the_store_has_a_fingerprint_and_no_host_also_in_a_refused_spec(
    build: Build, more: dict[str, Any]
) -> None:
    resource = read(build.mediaimport(source={"url": None, "store": {"key": KEY}}, **more))
    assert resource.fingerprint == source_fingerprint(f"store:{KEY}")
    assert resource.claim.host == ""
