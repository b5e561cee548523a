"""Kinds of files: each is shown, found by `type=` and counted, whether its resource is there or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import pytest
from mediaimport_api.crd import COLUMNS, definition
from mediaimport_api.names import AssetKeys
from mediaimport_api.spec import MediaType
from mediaimport_api.status import Kind
from mediaimport_webhook.http import openapi, schemas

from tests.support.webhook import ASSET_ID, BOB, sidecar_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.webhook import RunningWebhook

KINDS = [each.value for each in Kind]
each_kind = pytest.mark.parametrize("kind", KINDS)


def start_import(webhook: RunningWebhook, **body: object) -> str:
    url = {"url": "https://example.com/file"}
    asset_id: str = webhook.call("POST", "/api/v1/media/import-from-url", json=url | body).json()["asset_id"]
    return asset_id


def finish(webhook: RunningWebhook, asset_id: str, kind: str, *, size_bytes: int = 10) -> None:
    """Let the operator write that a file of the kind is stored, and the webhook see it."""
    (resource,) = [each for each in webhook.cluster.imports.values() if each["spec"]["assetId"] == asset_id]
    asset = {
        "id": asset_id, "sha256": "0" * 64, "sizeBytes": size_bytes, "contentType": "application/octet-stream",
        "kind": kind, "bucket": "media", "key": f"media/alice/{asset_id}/{kind}.bin",
    }  # fmt: skip
    webhook.run(webhook.cluster.write(resource | {"status": {"phase": "Ready", "asset": asset}}))
    webhook.until(lambda: shown(webhook, asset_id)["status"] == "ready")


def shown(webhook: RunningWebhook, asset_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = webhook.call("GET", f"/api/v1/media/{asset_id}").json()
    return answer


def found(webhook: RunningWebhook, kind: str) -> list[str]:
    assets = webhook.call("GET", f"/api/v1/media/?type={kind}").json()["assets"]
    assert {each["type"] for each in assets} <= {kind}
    return [each["id"] for each in assets]


def stats(webhook: RunningWebhook) -> dict[str, Any]:
    answer: dict[str, Any] = webhook.call("GET", "/api/v1/stats").json()
    return answer


def finish_one_of(webhook: RunningWebhook, kinds: Iterable[str]) -> dict[str, str]:
    made = {kind: start_import(webhook) for kind in kinds}
    for kind, asset_id in made.items():
        finish(webhook, asset_id, kind)
    return made


def test_stored_file_is_found_by_its_kind_alone(webhook: RunningWebhook) -> None:
    made = finish_one_of(webhook, KINDS)
    assert {kind: found(webhook, kind) for kind in KINDS} == {kind: [made[kind]] for kind in KINDS}
    assert {kind: shown(webhook, made[kind])["type"] for kind in KINDS} == {kind: kind for kind in KINDS}


def test_stored_files_are_counted_by_their_kinds(webhook: RunningWebhook) -> None:
    finish_one_of(webhook, KINDS[1:])
    finish_one_of(webhook, ["model3d"])
    start_import(webhook)
    counted = stats(webhook)
    assert counted["by_type"] == dict.fromkeys(KINDS[1:], 1) | {"model3d": 2, "unknown": 1}
    assert (counted["total"], counted["stored_bytes"]) == (8, 70)
    assert webhook.call("GET", "/api/v1/stats", token=BOB).json()["by_type"] == {}


@pytest.mark.parametrize("kind", [each for each in KINDS if each != "file"])
def test_expected_kind_counts_until_the_file_is_stored(webhook: RunningWebhook, kind: str) -> None:
    asset_id = start_import(webhook, type=kind)
    assert (found(webhook, kind), stats(webhook)["by_type"]) == ([asset_id], {kind: 1})


@pytest.mark.parametrize("accepts_all", ["auto", "file"])
def test_kind_is_unknown_while_any_is_accepted(webhook: RunningWebhook, accepts_all: str) -> None:
    asset_id = start_import(webhook, type=accepts_all)
    assert (found(webhook, "file"), stats(webhook)["by_type"]) == ([], {"unknown": 1})
    finish(webhook, asset_id, "archive")
    assert (found(webhook, "archive"), found(webhook, "file")) == ([asset_id], [])


@each_kind
def test_kind_of_a_file_whose_resource_is_gone_is_in_its_sidecar(webhook: RunningWebhook, kind: str) -> None:
    sidecar = sidecar_of("alice")
    asset = sidecar.asset.model_copy(update={"kind": Kind(kind)})
    webhook.sidecars.held[AssetKeys("alice", ASSET_ID).sidecar] = sidecar.model_copy(update={"asset": asset})
    assert shown(webhook, ASSET_ID)["type"] == kind


def test_kind_of_a_later_release_is_a_file(webhook: RunningWebhook) -> None:
    asset_id = start_import(webhook)
    finish(webhook, asset_id, "hologram")
    assert shown(webhook, asset_id)["type"] == "file"
    assert (found(webhook, "file"), stats(webhook)["by_type"]) == ([asset_id], {"file": 1})


def test_all_that_lists_kinds_lists_the_same() -> None:
    (version,) = definition()["spec"]["versions"]
    properties = version["schema"]["openAPIV3Schema"]["properties"]
    (parameter,) = [
        each for each in openapi.document()["paths"]["/api/v1/media/"]["get"]["parameters"] if each["name"] == "type"
    ]
    assert properties["status"]["properties"]["asset"]["properties"]["kind"]["enum"] == KINDS
    assert properties["spec"]["properties"]["type"]["enum"] == ["auto", *KINDS] == list(MediaType)
    assert parameter["schema"]["enum"] == list(get_args(schemas.AssetKind)) == KINDS


def test_column_shows_the_kind_of_the_stored_file() -> None:
    assert {"name": "Type", "type": "string", "jsonPath": ".status.asset.kind"} in COLUMNS
