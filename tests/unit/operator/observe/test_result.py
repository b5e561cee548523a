"""A termination message is written beside hostile media: only a valid result about our own asset counts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mediaimport_api.reasons import Reason
from mediaimport_operator.observe.result import Expectation

if TYPE_CHECKING:
    from tests.unit.operator.conftest import Build


@pytest.fixture
def expected(build: Build) -> Expectation:
    return Expectation(bucket="bucket", user_id="ada", asset_id=build.uid)


def test_a_result_about_our_asset_counts(build: Build, expected: Expectation) -> None:
    told = build.imported()
    assert expected.result(told.encode().decode(), 0) == told


@pytest.mark.parametrize("message", [None, "", "   ", "null", "[]", "done", '{"reason":"Imported"}', "{" * 4000])
def test_what_is_no_result_does_not_count(expected: Expectation, message: str | None) -> None:
    assert expected.result(message, 0) is None


def test_a_message_longer_than_the_kubelet_keeps_does_not_count(build: Build, expected: Expectation) -> None:
    padded = build.imported().to_wire() | {"padding": "x" * 4096}
    assert expected.result(json.dumps(padded), 0) is None


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
    build: Build, expected: Expectation, change: dict[str, object]
) -> None:
    assert expected.result(build.imported(**change).encode().decode(), 0) is None


def test_a_thumbnail_elsewhere_does_not_count(build: Build, expected: Expectation) -> None:
    wire = build.imported().to_wire()
    wire["thumbnail"]["thumbnail"]["key"] = "media/eve/x/thumbnail.jpg"
    assert expected.result(json.dumps(wire), 0) is None


@pytest.mark.parametrize(
    ("reason", "exit_code"), [(Reason.SOURCE_NOT_FOUND, 0), (Reason.SOURCE_NOT_FOUND, 20), (Reason.NOT_MEDIA, 11)]
)
def test_a_result_that_contradicts_the_exit_code_does_not_count(
    build: Build, expected: Expectation, reason: Reason, exit_code: int
) -> None:
    assert expected.result(build.failure(reason).encode().decode(), exit_code) is None


@given(message=st.text(), exit_code=st.integers(-1, 255))
def test_no_message_makes_it_throw(message: str, exit_code: int) -> None:
    Expectation(bucket="b", user_id="u", asset_id=str(UUID(int=1))).result(message, exit_code)


@pytest.mark.parametrize("number", [2**53, 2**63, 10**400, -1])
def test_a_number_that_the_api_server_would_refuse_does_not_count(
    build: Build, expected: Expectation, number: int
) -> None:
    wire = build.imported().to_wire()
    wire["media"]["durationMs"] = number
    assert expected.result(json.dumps(wire), 0) is None


@pytest.mark.parametrize("escape", ["\\ud800", "\\udc00\\ud800"])
def test_half_a_character_does_not_count(build: Build, expected: Expectation, escape: str) -> None:
    told = build.imported().encode().decode().replace('"mp4"', f'"{escape}"')
    assert escape in told
    assert expected.result(told, 0) is None
