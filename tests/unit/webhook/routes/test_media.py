from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from mediaimport_api.names import AssetKeys
from mediaimport_api.sidecar import Tombstone

from tests.support.webhook import ASSET_ID, sidecar_of, stored

if TYPE_CHECKING:
    from tests.support.webhook import Make, RunningWebhook, Start

URL = "https://example.com/video.mp4"
BOB, ROOT = "bob-token-0123456789", "root-token-0123456789"
IMPORT = "/api/v1/media/import-from-url"


def start_import(webhook: RunningWebhook, **body: object) -> str:
    asset_id: str = webhook.call("POST", IMPORT, json={"url": URL} | body).json()["asset_id"]
    return asset_id


def finish(webhook: RunningWebhook, asset_id: str, status: dict[str, Any]) -> None:
    """Let the operator write a status, and the webhook see it."""
    (resource,) = [each for each in webhook.cluster.imports.values() if each["spec"]["assetId"] == asset_id]
    written = webhook.run(webhook.cluster.write(resource | {"status": status}))
    webhook.until(
        lambda: webhook.call("GET", f"/api/v1/media/{asset_id}").json()["phase"] == written["status"]["phase"]
    )


def test_import_is_accepted_and_persisted_under_the_caller(webhook: RunningWebhook) -> None:
    answer = webhook.call(
        "POST", IMPORT, json={"url": URL, "name": "n", "type": "video", "metadata": {"a": None}, "tags": ["t"]}
    )
    assert answer.status_code == 202
    (resource,) = webhook.cluster.imports.values()
    assert answer.json() == {
        "asset_id": resource["spec"]["assetId"],
        "import_job_id": resource["metadata"]["name"],
        "status": "uploading",
    }
    assert answer.headers["location"] == f"/api/v1/media/{answer.json()['asset_id']}"
    spec = resource["spec"]
    assert (spec["source"], spec["userId"], spec["type"]) == ({"url": URL}, "alice", "video")
    assert (spec["metadata"], spec["tags"]) == ({"a": None}, ["t"])


def test_import_is_read_by_its_caller_at_once(webhook: RunningWebhook) -> None:
    asset_id = start_import(webhook, name="mine.mp4")
    webhook.cluster.calls.clear()
    answer = webhook.call("GET", f"/api/v1/media/{asset_id}")
    assert (answer.status_code, answer.json()["status"], answer.json()["name"]) == (200, "uploading", "mine.mp4")
    assert webhook.cluster.calls == []


def test_same_idempotency_key_is_the_same_import(webhook: RunningWebhook) -> None:
    answers = [webhook.call("POST", IMPORT, json={"url": URL}, headers={"Idempotency-Key": "k1"}) for _ in range(2)]
    assert [each.status_code for each in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    assert len(webhook.cluster.imports) == 1


def test_idempotency_key_of_two_users_is_two_imports(webhook: RunningWebhook) -> None:
    for token in (BOB, ROOT):
        webhook.call("POST", IMPORT, token=token, json={"url": URL}, headers={"Idempotency-Key": "k1"})
    assert len(webhook.cluster.imports) == 2


@pytest.mark.parametrize("other", [{"url": URL + "2"}, {"name": "n"}, {"metadata": {"a": 1}}, {"tags": ["t"]}])
def test_idempotency_key_for_another_import_is_409(webhook: RunningWebhook, other: dict[str, object]) -> None:
    webhook.call("POST", IMPORT, json={"url": URL}, headers={"Idempotency-Key": "k1"})
    answer = webhook.call("POST", IMPORT, json={"url": URL} | other, headers={"Idempotency-Key": "k1"})
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (409, "idempotency-key-reused")


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "\x7f"])
def test_odd_idempotency_key_is_400(webhook: RunningWebhook, key: str) -> None:
    assert webhook.call("POST", IMPORT, json={"url": URL}, headers={"Idempotency-Key": key}).status_code == 400


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/url"),
        ({"url": 5}, "/url"),
        ({"url": "file:///etc/passwd"}, "/url"),
        ({"url": "ftp://example.com/a"}, "/url"),
        ({"url": "data:video/mp4;base64,AAAA"}, "/url"),
        ({"url": "http://127.0.0.1/a.mp4"}, "/url"),
        ({"url": "http://169.254.169.254/latest"}, "/url"),
        ({"url": "http://[::ffff:10.0.0.1]/a"}, "/url"),
        ({"url": "http://localhost/a"}, "/url"),
        ({"url": "https://user:secret@example.com/a"}, "/url"),
        ({"url": "https://example.com:22/a"}, "/url"),
        ({"url": "https://[::1/a"}, "/url"),
        ({"url": "https://example.com/a b"}, "/url"),
        ({"url": "https://example.com/\u0000"}, "/url"),
        ({"url": "https://example.com/" + "a" * 9000}, "/url"),
        ({"url": URL, "provider": {"name": "replicate"}}, "/provider"),
        ({"url": URL, "userId": "bob"}, "/userId"),
        ({"url": URL, "user_id": "bob"}, "/user_id"),
        ({"url": URL, "a/b~c": 1}, "/a~1b~0c"),
        ({"url": URL, "type": "movie"}, "/type"),
        ({"url": URL, "name": ""}, "/name"),
        ({"url": URL, "name": "x" * 256}, "/name"),
        ({"url": URL, "tags": ["a", "a"]}, "/tags"),
        ({"url": URL, "tags": [""]}, "/tags/0"),
        ({"url": URL, "tags": ["t"] * 33}, "/tags"),
        ({"url": URL, "metadata": []}, "/metadata"),
        ({"url": URL, "expected": []}, "/expected"),
        ({"url": URL, "expected": {}}, "/expected"),
        ({"url": URL, "expected": {"sha256": None}}, "/expected"),
        ({"url": URL, "expected": {"sha256": "A" * 64}}, "/expected/sha256"),
        ({"url": URL, "expected": {"sha256": "0" * 64 + "\n"}}, "/expected/sha256"),
        ({"url": URL, "expected": {"size_bytes": 0}}, "/expected/size_bytes"),
        ({"url": URL, "expected": {"size_bytes": 2**53}}, "/expected/size_bytes"),
        ({"url": URL, "expected": {"size_bytes": True}}, "/expected/size_bytes"),
        ({"url": URL, "expected": {"size_bytes": "5"}}, "/expected/size_bytes"),
        ({"url": URL, "expected": {"size_bytes": 5, "type": "video"}}, "/expected/type"),
        ({"url": URL, "thumbnail": {"width_pixels": 15}}, "/thumbnail/width_pixels"),
        ({"url": URL, "thumbnail": {"width_pixels": 1921}}, "/thumbnail/width_pixels"),
        ({"url": URL, "thumbnail": {"frame": "last"}}, "/thumbnail/frame"),
        ({"url": URL, "thumbnail": {"height_pixels": 20}}, "/thumbnail/height_pixels"),
        ({"url": URL, "undescribed": "keep"}, "/undescribed"),
        ({"url": URL, "undescribed": None}, "/undescribed"),
        ({"url": URL, "source_headers_secret": ""}, "/source_headers_secret"),
        ({"url": URL, "source_headers_secret": "../x"}, "/source_headers_secret"),
        ({"url": URL, "source_headers_secret": "a" * 254}, "/source_headers_secret"),
        ({"url": URL, "metadata": {"a": "x" * 8192}}, "/metadata"),
        ({"url": URL, "metadata": json.loads('{"a":' * 33 + "1" + "}" * 33)}, "/metadata"),
    ],
)
def test_bad_field_is_422_and_named(webhook: RunningWebhook, body: dict[str, object], pointer: str) -> None:
    answer = webhook.call("POST", IMPORT, json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]
    assert webhook.cluster.imports == {}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b"\xff", b'{"url": NaN}', b'{"url": 1e999}', b'{"name": "\\ud800"}', b'{"a":' * 5000],
)
def test_body_that_is_no_json_object_is_400(webhook: RunningWebhook, body: bytes) -> None:
    answer = webhook.call("POST", IMPORT, content=body)
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (400, "invalid-json")


def test_body_over_1_mib_is_413(webhook: RunningWebhook) -> None:
    assert webhook.call("POST", IMPORT, content=b" " * (1024 * 1024 + 1)).status_code == 413


def test_body_of_unannounced_length_is_cut_off_too(webhook: RunningWebhook) -> None:
    async def endless() -> Any:  # noqa: ANN401 - an async generator
        for _ in range(200):
            yield b" " * 10_000

    assert webhook.call("POST", IMPORT, content=endless()).status_code == 413


def test_import_that_the_api_server_refuses_is_422_with_its_sentence(webhook: RunningWebhook) -> None:
    webhook.cluster.refusal = "spec.url is odd"
    answer = webhook.call("POST", IMPORT, json={"url": URL})
    assert (answer.status_code, answer.json()["detail"]) == (422, "spec.url is odd")


def test_allowed_network_lets_a_private_source_in(start: Start) -> None:
    webhook = start(SOURCE_ALLOWED_NETWORKS="10.96.0.0/16", SOURCE_ALLOWED_PORTS="443,8080")
    assert webhook.call("POST", IMPORT, json={"url": "http://10.96.0.7:8080/a.mp4"}).status_code == 202


def ready(asset_id: str) -> dict[str, Any]:
    """Return the status of an asset of alice that is stored."""
    parts = {name: each.to_wire() for name, each in stored("alice").items()}
    key = f"media/alice/{asset_id}"
    parts["asset"] |= {"id": asset_id, "key": f"{key}/video.mp4"}
    parts["thumbnail"]["key"] = f"{key}/thumbnail.jpg"
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "Imported",
        "message": "m",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    return {"phase": "Ready", "conditions": [condition], **parts}


def test_ready_asset_is_answered_as_the_frontend_wants_it(webhook: RunningWebhook) -> None:
    asset_id = start_import(
        webhook, name="v.mp4", metadata={"scene": 4, "width": "mine", "error": "mine"}, tags=["fun"]
    )
    finish(webhook, asset_id, ready(asset_id))
    answer = webhook.call("GET", f"/api/v1/media/{asset_id}").json()
    assert answer == {
        "id": asset_id,
        "name": "v.mp4",
        "status": "ready",
        "url": f"https://cdn.test/media/alice/{asset_id}/video.mp4?signed=",
        "thumbnail_url": f"https://cdn.test/media/alice/{asset_id}/thumbnail.jpg?signed=",
        "type": "video",
        "metadata": {
            "scene": 4,
            "duration": 5.042,
            "width": 1280,
            "height": 720,
            "codec": "h264",
            "bitrate": 800_000,
            "frame_rate": 23.976,
            "format": "mov,mp4",
            "aspect_ratio": None,
            "animated": None,
            "size_bytes": 10,
            "content_type": "video/mp4",
            "sha256": "0" * 64,
            "error": None,
        },
        "progress": None,
        "phase": "Ready",
        "reason": "Imported",
        "tags": ["fun"],
        "job_id": None,
        "import_job_id": f"import-{asset_id}",
        "created_at": answer["created_at"],
        "broken": None,
        "expires_at": "2026-01-01T01:00:00Z",
    }


def made_by_hand(webhook: RunningWebhook, **spec: object) -> str:
    """Create an import as kubectl can; return its name."""
    start_import(webhook)
    (resource,) = webhook.cluster.imports.values()
    about = {"name": "by-hand", "uid": str(uuid4()), "resourceVersion": "0"}
    made = resource | {
        "metadata": resource["metadata"] | about,
        "spec": resource["spec"] | {"assetId": str(uuid4())} | spec,
    }
    webhook.run(webhook.cluster.write(made))
    webhook.until(lambda: webhook.sample("mediaimport_webhook_cache_resources") == 2)
    return "by-hand"


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize("levels", [33, 252, 300])
def test_metadata_that_json_cannot_carry_are_left_out_and_fail_no_list(webhook: RunningWebhook, levels: int) -> None:
    made_by_hand(webhook, metadata=nested(levels))
    for token in ("alice-token-0123456789", ROOT):
        answer = webhook.call("GET", "/api/v1/media/", token=token)
        assert answer.status_code == 200
        broken = {each["import_job_id"]: each["broken"] for each in answer.json()["assets"]}
        reason = f"spec.metadata is nested {levels} levels deep; at most 32 are kept: it is left out"
        assert (broken.pop("by-hand"), list(broken.values())) == (reason, [None])
    assert webhook.call("GET", "/api/v1/stats").json()["total"] == 2
    assert webhook.sample("mediaimport_webhook_cache_broken_resources") == 1


@pytest.mark.parametrize("spec", [{"metadata": "text"}, {"source": None}, {"tags": 5}, {"assetId": 7}])
def test_resource_that_cannot_be_shown_is_shown_as_broken(webhook: RunningWebhook, spec: dict[str, Any]) -> None:
    made_by_hand(webhook, **spec)
    assets = webhook.call("GET", "/api/v1/media/").json()["assets"]
    (broken,) = [each for each in assets if each["import_job_id"] == "by-hand"]
    assert (broken["status"], "cannot be shown" in broken["broken"], len(assets)) == ("failed", True, 2)
    assert webhook.call("GET", f"/api/v1/media/{broken['id']}").json() == broken
    assert webhook.call("GET", f"/api/v1/media/{broken['id']}/events").status_code == 200
    assert webhook.call("GET", "/api/v1/stats").json()["by_status"]["failed"] == 1


def test_broken_resource_of_nobody_is_shown_to_admins_only(webhook: RunningWebhook) -> None:
    made_by_hand(webhook, userId=5)
    seen = {token: webhook.call("GET", "/api/v1/media/", token=token).json()["assets"] for token in (BOB, ROOT)}
    assert [len(each) for each in seen.values()] == [0, 2]
    # Both have the same time, so their ids order them.
    assert [each["import_job_id"] for each in seen[ROOT] if each["broken"] is not None] == ["by-hand"]


def test_failed_asset_says_why_in_its_metadata(webhook: RunningWebhook) -> None:
    asset_id = start_import(webhook)
    error = {"reason": "NotMedia", "message": "The bytes are HTML.", "retryable": False}
    finish(webhook, asset_id, {"phase": "Failed", "error": error})
    answer = webhook.call("GET", f"/api/v1/media/{asset_id}").json()
    assert (answer["status"], answer["metadata"]["error"], answer["url"]) == ("failed", "The bytes are HTML.", None)


@pytest.mark.parametrize("phase", ["Pending", "Queued", "Importing", "Waiting", "Suspended"])
def test_every_phase_on_the_way_is_uploading(webhook: RunningWebhook, phase: str) -> None:
    asset_id = start_import(webhook)
    error = {"reason": "SourceUnavailable", "message": "503", "retryable": True}
    progress = {"step": "download", "percent": 42}
    finish(webhook, asset_id, {"phase": phase, "error": error, "progress": progress})
    answer = webhook.call("GET", f"/api/v1/media/{asset_id}").json()
    assert (answer["status"], answer["phase"], answer["metadata"]["error"]) == ("uploading", phase, None)
    assert answer["progress"]["percent"] == 42


def test_key_that_is_not_the_assets_own_is_never_signed(webhook: RunningWebhook) -> None:
    asset_id = start_import(webhook)
    parts = {name: each.to_wire() for name, each in stored("alice").items()}
    parts["asset"]["key"] = "media/bob/secret/video.mp4"
    finish(webhook, asset_id, {"phase": "Ready", **parts})
    answer = webhook.call("GET", f"/api/v1/media/{asset_id}").json()
    assert (answer["url"], answer["thumbnail_url"]) == (None, None)


def test_user_sees_only_its_own_and_the_admin_all(webhook: RunningWebhook) -> None:
    asset_id = start_import(webhook)
    statuses = [webhook.call("GET", f"/api/v1/media/{asset_id}", token=token).status_code for token in (BOB, ROOT)]
    assert statuses == [404, 200]
    counts = [len(webhook.call("GET", "/api/v1/media/", token=token).json()["assets"]) for token in (BOB, ROOT)]
    assert counts == [0, 1]
    assert webhook.call("GET", "/api/v1/media/?user=alice", token=BOB).json()["assets"] == []


@pytest.mark.parametrize("asset_id", ["x", "..%2f..%2fbob", "' or 1=1", "%00", "0" * 4000, "{}"])
def test_id_that_is_none_reaches_neither_cluster_nor_store(webhook: RunningWebhook, asset_id: str) -> None:
    webhook.cluster.calls.clear()
    answer = webhook.call("GET", f"/api/v1/media/{asset_id}")
    assert (answer.status_code, answer.json()["status"]) == (404, 404)
    assert (webhook.cluster.calls, webhook.sidecars.reads) == ([], [])


def test_miss_asks_cluster_and_store_once_in_two_seconds(webhook: RunningWebhook) -> None:
    webhook.cluster.calls.clear()
    assert [webhook.call("GET", f"/api/v1/media/{ASSET_ID}").status_code for _ in range(3)] == [404] * 3
    assert (webhook.cluster.calls, len(webhook.sidecars.reads)) == (["find_imports"], 1)


def test_asset_whose_resource_is_gone_is_answered_from_its_sidecar(webhook: RunningWebhook) -> None:
    webhook.sidecars.held[AssetKeys("alice", ASSET_ID).sidecar] = sidecar_of("alice")
    answer = webhook.call("GET", f"/api/v1/media/{ASSET_ID}")
    assert answer.status_code == 200
    content = answer.json()
    assert (content["status"], content["name"], content["tags"]) == ("ready", "kept.mp4", ["old"])
    assert (content["metadata"]["scene"], content["metadata"]["width"]) == (4, 1280)
    assert content["url"] == f"https://cdn.test/media/alice/{ASSET_ID}/video.mp4?signed="
    assert webhook.call("GET", f"/api/v1/media/{ASSET_ID}", token=BOB).status_code == 404


def of_user(user: str, asset_id: str = ASSET_ID) -> str:
    return f"/api/v1/users/{user}/media/{asset_id}"


def test_admin_finds_and_deletes_an_asset_whose_resource_is_gone_by_its_user(webhook: RunningWebhook) -> None:
    webhook.sidecars.held[AssetKeys("alice", ASSET_ID).sidecar] = sidecar_of("alice")
    assert webhook.call("GET", f"/api/v1/media/{ASSET_ID}", token=ROOT).status_code == 404
    shown = webhook.call("GET", of_user("alice"), token=ROOT)
    assert (shown.status_code, shown.json()["url"] is not None) == (200, True)
    assert webhook.call("DELETE", of_user("alice"), token=ROOT).status_code == 202
    (resource,) = webhook.cluster.imports.values()
    assert (resource["spec"]["userId"], resource["spec"]["deletionPolicy"]) == ("alice", "Delete")
    assert webhook.call("GET", of_user("alice"), token=ROOT).status_code == 410


def test_asset_of_a_user_is_absent_for_others_and_under_other_users(webhook: RunningWebhook) -> None:
    webhook.sidecars.held[AssetKeys("alice", ASSET_ID).sidecar] = sidecar_of("alice")
    asset_id = start_import(webhook)
    for path in (of_user("alice"), of_user("alice", asset_id)):
        answers = [webhook.call(method, path, token=BOB).status_code for method in ("GET", "DELETE")]
        assert answers == [404, 404]
        assert webhook.call("GET", path).status_code == 200
    for user in ("bob", "%2e%2e%2f", "alice%2F..%2Falice", "a" * 300):
        assert webhook.call("GET", of_user(user), token=ROOT).status_code == 404
        assert webhook.call("GET", of_user(user, asset_id), token=ROOT).status_code == 404


@pytest.mark.parametrize("user", ["%2e%2e", "%2e", "a%00b", "Alice", "%C3%A9", "a" * 64, "-a"])
def test_text_that_can_be_no_user_costs_no_look_up(webhook: RunningWebhook, user: str) -> None:
    webhook.cluster.calls.clear()
    for method in ("GET", "DELETE"):
        assert webhook.call(method, of_user(user), token=ROOT).status_code == 404
    assert (webhook.cluster.calls, webhook.sidecars.reads) == ([], [])


def test_stored_asset_stays_readable_while_it_is_run_again(webhook: RunningWebhook) -> None:
    asset_id = start_import(webhook)
    finish(webhook, asset_id, ready(asset_id))
    before = webhook.call("GET", f"/api/v1/media/{asset_id}").json()
    assert webhook.call("POST", f"/api/v1/media/{asset_id}/retry").status_code == 202
    after = webhook.call("GET", f"/api/v1/media/{asset_id}").json()
    assert (before["status"], after["status"], after["phase"]) == ("ready", "uploading", "Pending")
    assert (after["url"], after["thumbnail_url"]) == (before["url"], before["thumbnail_url"]) != (None, None)


def test_sidecar_is_found_while_the_cluster_is_down(webhook: RunningWebhook) -> None:
    webhook.cluster.down = True
    assert webhook.call("GET", f"/api/v1/media/{ASSET_ID}").status_code == 503
    webhook.sidecars.held[AssetKeys("alice", ASSET_ID).sidecar] = sidecar_of("alice")
    assert webhook.call("GET", f"/api/v1/media/{ASSET_ID}").status_code == 200


def test_store_that_is_down_is_503_only_where_it_is_needed(webhook: RunningWebhook) -> None:
    asset_id = start_import(webhook)
    webhook.sidecars.down = True
    assert webhook.call("GET", f"/api/v1/media/{asset_id}").status_code == 200
    assert webhook.call("GET", f"/api/v1/media/{ASSET_ID}").status_code == 503


def test_reads_go_on_and_tell_their_age_while_the_cluster_is_down(webhook: RunningWebhook) -> None:
    asset_id = start_import(webhook)
    assert "age" not in webhook.call("GET", f"/api/v1/media/{asset_id}").headers
    webhook.cluster.down = True
    webhook.run(webhook.cluster.cut())
    webhook.until(lambda: "age" in webhook.call("GET", f"/api/v1/media/{asset_id}").headers)
    assert webhook.call("POST", IMPORT, json={"url": URL}).status_code == 503


def test_list_is_newest_first_in_pages(webhook: RunningWebhook) -> None:
    made = [start_import(webhook) for _ in range(5)]
    seen: list[str] = []
    cursor = ""
    for _ in range(3):
        page = webhook.call("GET", f"/api/v1/media/?limit=2{cursor}").json()
        seen += [each["id"] for each in page["assets"]]
        cursor = f"&cursor={page['next']}"
    assert (seen, page["next"]) == (made[::-1], None)


def test_list_is_filtered(webhook: RunningWebhook, prediction: Make) -> None:
    tagged = start_import(webhook, tags=["fun"], type="video")
    other = start_import(webhook, type="image")
    webhook.call("POST", "/api/v1/replicate/wan-video-t2v", json={"prompt": "p"})
    webhook.callback(prediction(), path=webhook.replicate.callback_path())
    generated = webhook.cluster.imports[list(webhook.cluster.imports)[-1]]["spec"]["assetId"]

    def found(query: str) -> list[str]:
        return [each["id"] for each in webhook.call("GET", f"/api/v1/media/?{query}").json()["assets"]]

    assert found("tag=fun") == [tagged]
    assert found("type=image") == [other]
    assert found("job_id=pred1") == [generated]
    assert found(f"job_id=import-{other}") == [other]
    assert found("status=uploading&tag=ai-generated") == [generated]
    assert found("status=ready") == []
    assert found("tag=%00%ff'") == []


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=%D9%A1",
        "limit=",
        "status=Ready",
        "type=auto",
        "colour=red",
        "limit=1&limit=2",
    ],
)
def test_bad_query_is_422_and_named(webhook: RunningWebhook, query: str) -> None:
    answer = webhook.call("GET", f"/api/v1/media/?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "?" + query.partition("=")[0]


@pytest.mark.parametrize("cursor", ["x", "", "bnVsbA", "WzEsMiwzXQ", "W10", "%00", "é", "a" * 2000, "W1tbW1tb"])
def test_cursor_that_was_never_given_is_400(webhook: RunningWebhook, cursor: str) -> None:
    assert webhook.call("GET", f"/api/v1/media/?cursor={cursor}").status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("DELETE", "/api/v1/media/", 405), ("GET", "/api/v1/replicate/webhook", 405)],
)
def test_what_no_route_takes_is_a_problem_too(webhook: RunningWebhook, method: str, path: str, status: int) -> None:
    answer = webhook.call(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert json.loads(answer.content)["status"] == status


def test_retry_asks_for_another_run_and_shows_it_at_once(webhook: RunningWebhook) -> None:
    asset_id = start_import(webhook)
    assert webhook.call("POST", f"/api/v1/media/{asset_id}/retry").status_code == 409
    finish(webhook, asset_id, {"phase": "Failed", "run": ""})
    assert webhook.call("POST", f"/api/v1/media/{asset_id}/retry", token=BOB).status_code == 404
    answer = webhook.call("POST", f"/api/v1/media/{asset_id}/retry")
    assert (answer.status_code, answer.json()["status"], answer.json()["asset_id"]) == (202, "uploading", asset_id)
    assert webhook.specs()[0]["run"].startswith("retry-")
    assert webhook.call("GET", f"/api/v1/media/{asset_id}").json()["phase"] == "Pending"


def test_retry_of_an_asset_whose_resource_is_gone_is_409(webhook: RunningWebhook) -> None:
    webhook.sidecars.held[AssetKeys("alice", ASSET_ID).sidecar] = sidecar_of("alice")
    answer = webhook.call("POST", f"/api/v1/media/{ASSET_ID}/retry")
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (409, "import-gone")


def test_download_gives_the_url_its_name(webhook: RunningWebhook) -> None:
    webhook.sidecars.held[AssetKeys("alice", ASSET_ID).sidecar] = sidecar_of("alice")
    answer = webhook.call("GET", f"/api/v1/media/{ASSET_ID}?download=true").json()
    assert answer["url"].endswith("signed=kept.mp4")
    assert answer["thumbnail_url"].endswith("signed=")
    assert webhook.call("GET", f"/api/v1/media/{ASSET_ID}?download=1").status_code == 422


def test_wrong_download_parameter_is_422_for_a_deleted_asset_too(webhook: RunningWebhook) -> None:
    about = sidecar_of("alice")
    webhook.sidecars.held[AssetKeys("alice", ASSET_ID).sidecar] = Tombstone(
        owner=about.owner, source_fingerprint=about.source_fingerprint, deleted_at=about.imported_at
    )
    answers = [webhook.call("GET", f"/api/v1/media/{ASSET_ID}?download={each}") for each in ("true", "1")]
    assert [each.status_code for each in answers] == [410, 422]


def test_stats_count_what_the_caller_sees(webhook: RunningWebhook) -> None:
    failed = start_import(webhook, type="video", name="bad.mp4")
    start_import(webhook)
    error = {"reason": "NotMedia", "message": "The bytes are HTML.", "retryable": False}
    finish(webhook, failed, {"phase": "Failed", "error": error})
    answer = webhook.call("GET", "/api/v1/stats").json()
    assert answer["by_status"] == {"uploading": 1, "ready": 0, "failed": 1}
    assert (answer["total"], answer["by_type"], answer["stored_bytes"]) == (2, {"unknown": 1, "video": 1}, 0)
    assert [(each["id"], each["error"]) for each in answer["recent_failures"]] == [(failed, "The bytes are HTML.")]
    assert webhook.call("GET", "/api/v1/stats", token=BOB).json()["total"] == 0
