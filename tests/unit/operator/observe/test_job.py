"""Owners of Jobs and pods, and validation of results: the termination message is written next to hostile media."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mediaimport_api.reasons import Reason
from mediaimport_operator.observe.job import ResultValidator
from mediaimport_operator.observe.owned import read_jobs, read_pods

if TYPE_CHECKING:
    from tests.support.operator_fakes import Build


def owner(uid: str, *, controller: bool = True) -> dict[str, object]:
    return {"ownerReferences": [{"uid": uid, "controller": controller}]}


def test_job_counts_only_if_its_controller_is_the_import(build: Build) -> None:
    foreign = [build.job(meta={"ownerReferences": []}), build.job(meta=owner("another"))]
    listed = [*foreign, build.job(meta=owner(build.uid, controller=False)), build.job(2)]
    assert [each.attempt for each in read_jobs(listed, owner_uid=build.uid)] == [2]


def test_pod_counts_only_if_its_controller_is_the_attempts_job(build: Build) -> None:
    jobs = read_jobs([build.job(), build.job(2)], owner_uid=build.uid)
    of_first = build.pod()["metadata"]["ownerReferences"]
    foreign = [build.pod(meta={"ownerReferences": []}), build.pod(meta=owner(build.uid)), build.pod(3)]
    relabelled = build.pod(2, meta={"ownerReferences": of_first})
    assert [each.name for each in read_pods([*foreign, relabelled, build.pod(1)], jobs=jobs)] == ["film-1-xyz"]


@pytest.fixture
def validator(build: Build) -> ResultValidator:
    return ResultValidator(bucket="bucket", user_id="ada", asset_id=build.uid)


def test_a_result_about_our_asset_counts(build: Build, validator: ResultValidator) -> None:
    result = build.imported()
    assert validator.validated(result.encode().decode(), 0) == result


@pytest.mark.parametrize("message", [None, "", "   ", "null", "[]", "done", '{"reason":"Imported"}', "{" * 4000])
def test_message_that_is_no_result_does_not_count(validator: ResultValidator, message: str | None) -> None:
    assert validator.validated(message, 0) is None


def test_a_message_longer_than_the_kubelet_keeps_does_not_count(build: Build, validator: ResultValidator) -> None:
    padded = build.imported().to_wire() | {"padding": "x" * 4096}
    assert validator.validated(json.dumps(padded), 0) is None


@pytest.mark.parametrize(
    "change",
    [
        {"bucket": "another"},
        {"id": UUID(int=5)},
        {"key": "media/ada/another/video.mp4"},
        {"key": "media/eve/8d0cfa6e-2f2f-4b60-9a2f-0a3b5a2f7d11/video.mp4"},
        {"key": "media/ada/8d0cfa6e-2f2f-4b60-9a2f-0a3b5a2f7d11/asset.json"},
        {"key": "media/ada/8d0cfa6e-2f2f-4b60-9a2f-0a3b5a2f7d11/../../eve/x/video.mp4"},
        {"key": "media/ada/8d0cfa6e-2f2f-4b60-9a2f-0a3b5a2f7d11/image.png"},
    ],
    ids=str,
)
def test_a_result_about_anything_else_does_not_count(
    build: Build, validator: ResultValidator, change: dict[str, Any]
) -> None:
    assert validator.validated(build.imported(**change).encode().decode(), 0) is None


def test_a_thumbnail_elsewhere_does_not_count(build: Build, validator: ResultValidator) -> None:
    wire = build.imported().to_wire()
    wire["thumbnail"]["thumbnail"]["key"] = "media/eve/x/thumbnail.jpg"
    assert validator.validated(json.dumps(wire), 0) is None


@pytest.mark.parametrize(
    ("reason", "exit_code"), [(Reason.SOURCE_NOT_FOUND, 0), (Reason.SOURCE_NOT_FOUND, 20), (Reason.NOT_MEDIA, 11)]
)
def test_a_result_that_contradicts_the_exit_code_does_not_count(
    build: Build, validator: ResultValidator, reason: Reason, exit_code: int
) -> None:
    assert validator.validated(build.failure(reason).encode().decode(), exit_code) is None


@given(message=st.text(), exit_code=st.integers(-1, 255))
def test_no_message_raises(message: str, exit_code: int) -> None:
    ResultValidator(bucket="b", user_id="u", asset_id=str(UUID(int=1))).validated(message, exit_code)


@pytest.mark.parametrize("number", [2**53, 2**63, 10**400, -1])
def test_a_number_that_the_api_server_would_refuse_does_not_count(
    build: Build, validator: ResultValidator, number: int
) -> None:
    wire = build.imported().to_wire()
    wire["media"]["durationMs"] = number
    assert validator.validated(json.dumps(wire), 0) is None


@pytest.mark.parametrize("escape", ["\\ud800", "\\udc00\\ud800"])
def test_half_a_character_does_not_count(build: Build, validator: ResultValidator, escape: str) -> None:
    result = build.imported().encode().decode().replace('"mp4"', f'"{escape}"')
    assert escape in result
    assert validator.validated(result, 0) is None
