"""Uploads of callers: begun, put into the store by a presigned URL, completed into an import."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from mediaimport_api.names import AssetKeys
from mediaimport_api.sidecar import Tombstone

from tests.support.webhook import ALICE, BOB, ROOT, sidecar_of

if TYPE_CHECKING:
    import httpx

    from tests.support.webhook import RunningWebhook, Start

UPLOADS = "/api/v1/media/uploads"
BODY = b"film" * 5
FIELDS: dict[str, Any] = {
    "name": "film.mp4",
    "type": "video",
    "metadata": {"shot": 7, "take": None},
    "tags": ["draft"],
    "thumbnail": {"width_pixels": 640, "frame": "skipBlack"},
    "undescribed": "Refuse",
}


def begin(webhook: RunningWebhook, *, token: str = ALICE, **body: object) -> httpx.Response:
    return webhook.call("POST", UPLOADS, token=token, json={"size_bytes": len(BODY)} | body)


def begun(webhook: RunningWebhook, *, token: str = ALICE, **body: object) -> str:
    answer = begin(webhook, token=token, **body)
    assert answer.status_code == 201, answer.text
    upload_id: str = answer.json()["id"]
    return upload_id


def put(webhook: RunningWebhook, upload_id: str, *, user: str = "alice") -> None:
    """Store a file as the caller's PUT would."""
    webhook.incoming.held[f"incoming/{user}/{upload_id}"] = BODY


def complete(webhook: RunningWebhook, upload_id: str, *, token: str = ALICE) -> httpx.Response:
    return webhook.call("POST", f"{UPLOADS}/{upload_id}/complete", token=token)


def slug(answer: httpx.Response) -> str:
    kind: str = answer.json()["type"]
    return kind.rpartition("/")[2]


def test_upload_begins_with_a_presigned_put_of_our_own_key(webhook: RunningWebhook) -> None:
    answer = begin(webhook, content_type="video/mp4", sha256="a" * 64)
    told = answer.json()
    assert (answer.status_code, told["method"]) == (201, "PUT")
    assert told["url"] == f"https://store.test/incoming/alice/{told['id']}?size={len(BODY)}&sha256={'a' * 64}"
    assert told["headers"] == {"Content-Type": "video/mp4"}
    assert told["expires_at"] == "2026-01-01T01:00:00Z"
    assert webhook.specs() == []


def test_completed_upload_becomes_the_import_of_that_object(webhook: RunningWebhook) -> None:
    upload_id = begun(webhook, sha256="a" * 64, **FIELDS)
    put(webhook, upload_id)
    answer = complete(webhook, upload_id)
    assert answer.status_code == 202
    assert answer.json() == {"asset_id": upload_id, "import_job_id": f"import-{upload_id}", "status": "uploading"}
    assert answer.headers["location"] == f"/api/v1/media/{upload_id}"
    (spec,) = webhook.specs()
    assert (spec["source"], spec["userId"]) == ({"store": {"key": f"incoming/alice/{upload_id}"}}, "alice")
    assert spec["expected"] == {"sha256": "a" * 64, "sizeBytes": len(BODY)}
    assert (spec["name"], spec["type"], spec["tags"]) == ("film.mp4", "video", ["draft"])
    assert spec["metadata"] == {"shot": 7, "take": None}
    assert (spec["thumbnail"], spec["undescribed"]) == ({"widthPixels": 640, "frame": "skipBlack"}, "Refuse")
    assert webhook.sample("mediaimport_webhook_imports_total", origin="upload", outcome="created") == 1


def test_fields_that_are_left_out_have_the_defaults_of_an_import(webhook: RunningWebhook) -> None:
    upload_id = begun(webhook)
    put(webhook, upload_id)
    assert complete(webhook, upload_id).status_code == 202
    (spec,) = webhook.specs()
    assert spec["expected"] == {"sizeBytes": len(BODY)}
    assert (spec["type"], spec["undescribed"], spec["thumbnail"]["widthPixels"]) == ("auto", "Keep", 320)


def test_upload_is_completed_at_any_replica(webhook: RunningWebhook, start: Start) -> None:
    replica = start(replica_of=webhook)
    upload_id = begun(webhook)
    put(webhook, upload_id)
    assert complete(replica, upload_id).json() == complete(webhook, upload_id).json()
    assert len(webhook.specs()) == 1


def test_repeated_completion_is_answered_by_the_one_import(webhook: RunningWebhook) -> None:
    upload_id = begun(webhook)
    put(webhook, upload_id)
    first = complete(webhook, upload_id)
    # The importer removes the object.
    webhook.incoming.held.clear()
    again = complete(webhook, upload_id)
    assert (again.status_code, again.json()) == (202, first.json())
    assert len(webhook.specs()) == 1


def test_completion_whose_answer_was_lost_is_made_up_for(webhook: RunningWebhook) -> None:
    upload_id = begun(webhook)
    put(webhook, upload_id)
    webhook.cluster.patches_fail = True
    assert complete(webhook, upload_id).status_code == 503
    webhook.cluster.patches_fail = False
    webhook.incoming.held.clear()
    assert complete(webhook, upload_id).status_code == 202
    assert len(webhook.specs()) == 1


def test_completion_after_the_resource_was_removed_is_answered_by_the_sidecar(webhook: RunningWebhook) -> None:
    upload_id = begun(webhook)
    stored = sidecar_of("alice")
    asset = stored.asset.model_copy(update={"id": UUID(upload_id)})
    webhook.sidecars.held[AssetKeys("alice", upload_id).sidecar] = stored.model_copy(update={"asset": asset})
    answer = complete(webhook, upload_id)
    assert (answer.status_code, answer.json()["status"], webhook.specs()) == (202, "ready", [])


def test_deleted_asset_does_not_come_back(webhook: RunningWebhook) -> None:
    upload_id = begun(webhook)
    put(webhook, upload_id)
    about = sidecar_of("alice")
    tombstone = Tombstone(owner=about.owner, source_fingerprint=about.source_fingerprint, deleted_at=about.imported_at)
    webhook.sidecars.held[AssetKeys("alice", upload_id).sidecar] = tombstone
    assert complete(webhook, upload_id).status_code == 410
    assert webhook.specs() == []


@pytest.mark.parametrize("token", [BOB, ROOT])
def test_upload_of_another_user_is_404_even_for_an_admin(webhook: RunningWebhook, token: str) -> None:
    upload_id = begun(webhook)
    put(webhook, upload_id)
    answer = complete(webhook, upload_id, token=token)
    assert (answer.status_code, slug(answer), webhook.specs()) == (404, "not-found", [])
    assert complete(webhook, upload_id, token=token).json()["detail"] == answer.json()["detail"]
    assert complete(webhook, str(uuid4()), token=token).json()["detail"] == answer.json()["detail"]


def test_imported_upload_of_another_user_is_404(webhook: RunningWebhook) -> None:
    upload_id = begun(webhook)
    put(webhook, upload_id)
    complete(webhook, upload_id)
    assert complete(webhook, upload_id, token=BOB).status_code == 404


def test_asset_that_was_no_upload_cannot_be_completed(webhook: RunningWebhook) -> None:
    imported = webhook.call("POST", "/api/v1/media/import-from-url", json={"url": "https://example.com/a.mp4"})
    assert complete(webhook, imported.json()["asset_id"]).status_code == 404


@pytest.mark.parametrize("odd", ["0", "..%2Fmedia%2Fbob", "media%2Falice%2Fx", "incoming%2Fbob%2Fx", "%2e%2e", "*"])
def test_id_that_is_none_reaches_no_key(webhook: RunningWebhook, odd: str) -> None:
    webhook.cluster.calls.clear()
    assert complete(webhook, odd).status_code == 404
    assert not {"get_lease", "create_import"} & set(webhook.cluster.calls)


@pytest.mark.parametrize("field", ["key", "id", "user", "user_id", "url", "source", "source_headers_secret"])
def test_caller_names_neither_key_nor_owner(webhook: RunningWebhook, field: str) -> None:
    answer = begin(webhook, token=ROOT, **{field: "incoming/bob/0d5d4b1e-98a7-5f3c-8a57-1a1c7a2c9b54"})
    assert (answer.status_code, [each["pointer"] for each in answer.json()["errors"]]) == (422, [f"/{field}"])
    assert webhook.cluster.leases == {}


def test_completion_before_the_file_came_is_409_and_says_what_to_do(webhook: RunningWebhook) -> None:
    upload_id = begun(webhook)
    answer = complete(webhook, upload_id)
    assert (answer.status_code, slug(answer)) == (409, "upload-missing")
    assert f"PUT the {len(BODY)} bytes to the upload's url" in answer.json()["detail"]
    put(webhook, upload_id)
    assert complete(webhook, upload_id).status_code == 202


def test_where_the_key_may_only_write_the_importer_finds_out(webhook: RunningWebhook) -> None:
    webhook.incoming.is_write_only = True
    assert complete(webhook, begun(webhook)).status_code == 202
    assert len(webhook.specs()) == 1


@pytest.mark.parametrize(("limit", "size", "largest"), [("20", 21, 20), (str(2**40), 5 * 10**9 + 1, 5 * 10**9)])
def test_upload_above_the_limit_is_422_with_the_figure(start: Start, limit: str, size: int, largest: int) -> None:
    webhook = start(MAX_SIZE_BYTES=limit)
    answer = begin(webhook, size_bytes=size)
    sentence = f"is {size}; an upload may have at most {largest} bytes"
    assert (answer.status_code, answer.json()["errors"]) == (422, [{"pointer": "/size_bytes", "detail": sentence}])
    assert begin(webhook, size_bytes=largest).status_code == 201


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"size_bytes": None}, "/size_bytes"),
        ({"size_bytes": 0}, "/size_bytes"),
        ({"size_bytes": "5"}, "/size_bytes"),
        ({"size_bytes": True}, "/size_bytes"),
        ({"sha256": "A" * 64}, "/sha256"),
        ({"content_type": ""}, "/content_type"),
        ({"content_type": "video"}, "/content_type"),
        ({"content_type": "video/mp4\r\nX-Amz-Acl: public-read"}, "/content_type"),
        ({"content_type": "video/mp4\n"}, "/content_type"),
        ({"name": ""}, "/name"),
        ({"type": "movie"}, "/type"),
        ({"tags": ["a", "a"]}, "/tags"),
        ({"metadata": {"a": "x" * 8192}}, "/metadata"),
        ({"thumbnail": {"width_pixels": 5}}, "/thumbnail/width_pixels"),
        ({"undescribed": "keep"}, "/undescribed"),
    ],
)
def test_wrong_field_is_422_and_named(webhook: RunningWebhook, body: dict[str, Any], pointer: str) -> None:
    answer = begin(webhook, **body)
    assert (answer.status_code, [each["pointer"] for each in answer.json()["errors"]]) == (422, [pointer])
    assert webhook.cluster.leases == {}


def test_user_has_a_bounded_number_of_uploads_that_are_not_completed(webhook: RunningWebhook) -> None:
    begun_ids = [begun(webhook) for _ in range(200)]
    refused = begin(webhook)
    assert (refused.status_code, slug(refused), refused.headers["retry-after"]) == (429, "too-many-uploads", "60")
    assert begin(webhook, token=BOB).status_code == 201
    put(webhook, begun_ids[0])
    assert complete(webhook, begun_ids[0]).status_code == 202
    assert begin(webhook).status_code == 201
    assert begin(webhook).status_code == 429


def test_record_of_an_upload_is_a_lease_for_a_day_without_its_url(webhook: RunningWebhook) -> None:
    upload_id = begun(webhook, name="film.mp4")
    (lease,) = webhook.cluster.leases.values()
    assert lease["metadata"]["name"] == f"mediaimport-upload-{upload_id}"
    assert lease["spec"]["leaseDurationSeconds"] == 86_400
    assert "mediaimport.dev/expires" in lease["metadata"]["labels"]
    assert "store.test" not in json.dumps(lease)


def test_without_the_store_nothing_begins_and_nothing_is_completed(webhook: RunningWebhook) -> None:
    upload_id = begun(webhook)
    webhook.incoming.down = True
    assert [begin(webhook).status_code, complete(webhook, upload_id).status_code] == [503, 503]
    assert (len(webhook.cluster.leases), webhook.specs()) == (1, [])


def test_without_the_api_server_nothing_begins_and_nothing_is_completed(webhook: RunningWebhook) -> None:
    upload_id = begun(webhook)
    webhook.cluster.down = True
    assert [begin(webhook).status_code, complete(webhook, upload_id).status_code] == [503, 503]


def test_import_that_the_cluster_refuses_is_422(webhook: RunningWebhook) -> None:
    upload_id = begun(webhook)
    put(webhook, upload_id)
    webhook.cluster.refusal = "no"
    answer = complete(webhook, upload_id)
    assert (answer.status_code, slug(answer)) == (422, "import-refused")
