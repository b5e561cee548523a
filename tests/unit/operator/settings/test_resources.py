from __future__ import annotations

import json

import pytest
from mediaimport_operator.settings.resources import Resources
from mediaimport_runtime.environment import Environment

DEFAULT = Resources({"cpu": "100m"}, {"memory": "1Gi"})


def read(**parts: dict[str, object]) -> Resources:
    return Resources.read(Environment({"R": json.dumps(parts)}), "R", default=DEFAULT)


def test_unset_variable_is_the_default() -> None:
    assert Resources.read(Environment({}), "R", default=DEFAULT) == DEFAULT


def test_limits_and_requests_of_any_resource_are_taken_over() -> None:
    found = read(requests={"cpu": 1, "example.com/disk": "2"}, limits={"cpu": 1.5, "memory": "2Gi"})
    assert found == Resources({"cpu": "1", "example.com/disk": "2"}, {"cpu": "1.5", "memory": "2Gi"})


def test_request_is_no_more_memory_than_the_limit() -> None:
    assert read(requests={"memory": "256Mi"}, limits={"memory": "64Mi"}).requests == {"memory": "64Mi"}


@pytest.mark.parametrize(("request_", "expected"), [("64Mi", str(128 * 1024**2)), ("32Mi", "32Mi")])
def test_more_memory_doubles_the_limit_and_a_request_of_all_of_it(request_: str, expected: str) -> None:
    more = read(requests={"memory": request_, "cpu": "1"}, limits={"memory": "64Mi", "cpu": "2"}).with_more_memory()
    assert more == Resources({"memory": expected, "cpu": "1"}, {"memory": str(128 * 1024**2), "cpu": "2"})


def test_disk_limit_is_the_operators_and_the_disk_request_the_installers() -> None:
    found = read(requests={"ephemeral-storage": "5Gi"}, limits={"memory": "64Mi", "ephemeral-storage": "1Mi"})
    manifest = found.manifest(disk_request="64Mi", disk_limit="10Gi")
    assert manifest["requests"] == {"ephemeral-storage": "5Gi"}
    assert manifest["limits"] == {"memory": "64Mi", "ephemeral-storage": "10Gi"}
