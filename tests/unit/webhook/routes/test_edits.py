"""Edits of name, tags and metadata: PATCH of one asset."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import UUID

import pytest
from mediaimport_api.names import ANNOTATION_OVERLAY, AssetKeys
from mediaimport_api.overlay import Overlay
from mediaimport_api.sidecar import Owner, Tombstone
from mediaimport_webhook.catalogue.archive import DatabaseUnavailableError
from sqlalchemy import text as sql

from tests.support.webhook import ALICE, BOB, ROOT, sidecar_of
from tests.unit.webhook.catalogue.test_database import (
    LIST,
    failed_status,
    finish,
    ready_status,
    remove,
    resource_of,
    rows,
    run_in,
    settle,
    start_import,
)
from tests.unit.webhook.routes.test_media import finish as finish_without_database

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from sqlalchemy.ext.asyncio import AsyncEngine

    from tests.support.webhook import RunningWebhook, Start

Change = dict[str, Any]
HOSTILE = [
    "'; DROP TABLE media_assets; --",
    "\x00\x01\x1b[31m\x7f\x85",
    "\u202e\u2066\u200b\ufeff\u00ad",
    "\U0001f469\u200d\U0001f4bb \U0010ffff \U0000e000 \ufffe",
    "e\u0301\u0327 ﷺ ǅ İ ß ﬁ \u210c",
    "%_\\ {{x}} ${y} <script>alert(1)</script> &amp;",
    "\u2028\u2029\r\n\t ../../etc/passwd",
]


@pytest.fixture
def asset(webhook: RunningWebhook) -> str:
    """Return the path of a stored asset of alice."""
    asset_id = start_import(webhook, name="raw.mp4", tags=["raw"], metadata={"shot": 7, "take": {"n": 1, "ok": True}})
    finish_without_database(webhook, asset_id, ready_status(asset_id))
    return LIST + asset_id


def patch(webhook: RunningWebhook, path: str, body: Change, **arguments: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
    return webhook.call("PATCH", path, json=body, **arguments)


def own(shown: dict[str, Any]) -> tuple[str, list[str], dict[str, Any]]:
    """Return name, tags and the caller's own metadata."""
    names = ("shot", "take", "note", "later")
    return shown["name"], shown["tags"], {name: each for name, each in shown["metadata"].items() if name in names}


def keys_of(path: str, user: str = "alice") -> AssetKeys:
    return AssetKeys(user, path.rpartition("/")[2])


def remove_resource(webhook: RunningWebhook, path: str) -> None:
    name = resource_of(webhook, keys_of(path).asset_id)["metadata"]["name"]
    webhook.run(webhook.cluster.remove(name))
    webhook.until(lambda: webhook.sample("mediaimport_webhook_cache_resources") == 0)


def slug(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition("/")[2]


def test_edited_fields_are_shown_listed_and_found_and_the_others_stay(webhook: RunningWebhook, asset: str) -> None:
    before = webhook.call("GET", asset).json()
    change = {"name": "final.mp4", "tags": ["final", "web"], "metadata": {"take": {"n": 2}, "note": "for the web"}}
    answer = patch(webhook, asset, change)
    assert answer.status_code == 200
    shown = answer.json()
    metadata = {"shot": 7, "take": {"n": 2, "ok": True}, "note": "for the web"}
    assert own(shown) == ("final.mp4", ["final", "web"], metadata)
    unchanged = shown | {name: before[name] for name in ("name", "tags", "metadata")}
    assert unchanged == before
    assert webhook.call("GET", asset).json() == shown
    assert webhook.call("GET", f"{LIST}?tag=web").json()["assets"] == [shown]
    assert webhook.call("GET", f"{LIST}?tag=raw").json()["assets"] == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ("raw.mp4", ["raw"], {"shot": 7, "take": {"n": 1, "ok": True}})),
        ({"tags": []}, ("raw.mp4", [], {"shot": 7, "take": {"n": 1, "ok": True}})),
        ({"tags": None}, ("raw.mp4", [], {"shot": 7, "take": {"n": 1, "ok": True}})),
        ({"metadata": None}, ("raw.mp4", ["raw"], {})),
        ({"metadata": {}}, ("raw.mp4", ["raw"], {"shot": 7, "take": {"n": 1, "ok": True}})),
        ({"metadata": {"shot": None}}, ("raw.mp4", ["raw"], {"take": {"n": 1, "ok": True}})),
        ({"metadata": {"take": {"ok": None}}}, ("raw.mp4", ["raw"], {"shot": 7, "take": {"n": 1}})),
        ({"metadata": {"take": [1]}}, ("raw.mp4", ["raw"], {"shot": 7, "take": [1]})),
        ({"metadata": {"shot": {"a": None}}}, ("raw.mp4", ["raw"], {"shot": {}, "take": {"n": 1, "ok": True}})),
        ({"metadata": {"width": 1, "error": "x"}}, ("raw.mp4", ["raw"], {"shot": 7, "take": {"n": 1, "ok": True}})),
    ],
)
def test_null_removes_and_what_is_measured_stays(
    webhook: RunningWebhook, asset: str, change: Change, expected: tuple[str, list[str], Change]
) -> None:
    shown = patch(webhook, asset, change).json()
    assert own(shown) == expected
    assert (shown["metadata"]["width"], shown["metadata"]["error"]) == (1280, None)


def test_edit_that_changes_nothing_writes_nothing(webhook: RunningWebhook, asset: str) -> None:
    for change in ({}, {"name": "raw.mp4"}, {"tags": ["raw"], "metadata": {"shot": 7}}):
        assert patch(webhook, asset, change).status_code == 200
    assert webhook.sidecars.overlays.held == {}


def test_edit_survives_the_webhook_and_the_resource(webhook: RunningWebhook, asset: str, start: Start) -> None:
    shown = patch(webhook, asset, {"name": "final.mp4", "metadata": {"note": "kept"}}).json()
    other = start(replica_of=webhook)
    assert other.call("GET", asset).json() == shown
    remove_resource(webhook, asset)
    record = sidecar_of("alice")
    asset_id = keys_of(asset).asset_id
    stored = record.asset.model_copy(update={"id": UUID(asset_id), "key": f"media/alice/{asset_id}/video.mp4"})
    webhook.sidecars.held[keys_of(asset).sidecar] = record.model_copy(update={"asset": stored})
    found = webhook.call("GET", asset).json()
    assert (found["name"], found["metadata"]["note"]) == ("final.mp4", "kept")
    again = patch(webhook, asset, {"name": "later.mp4"}).json()
    assert (again["name"], again["metadata"]["note"]) == ("later.mp4", "kept")
    assert webhook.call("GET", asset).json() == again


def test_asset_whose_resource_is_gone_is_edited_in_the_store(webhook: RunningWebhook) -> None:
    kept = sidecar_of("alice")
    webhook.sidecars.held[AssetKeys("alice", str(kept.asset.id)).sidecar] = kept
    path = f"{LIST}{kept.asset.id}"
    shown = patch(webhook, path, {"tags": ["new"], "metadata": {"scene": None}}).json()
    assert (shown["name"], shown["tags"]) == ("kept.mp4", ["new"])
    assert "scene" not in shown["metadata"]
    assert shown["metadata"]["width"] == 1280
    assert webhook.call("GET", path).json() == shown
    other = patch(webhook, f"/api/v1/users/alice/media/{kept.asset.id}", {"name": "a"}, token=ROOT)
    assert (other.status_code, webhook.call("GET", path).json()["name"]) == (200, "a")


def test_another_users_asset_is_404_and_stays(webhook: RunningWebhook, asset: str) -> None:
    of_user = f"/api/v1/users/alice/media/{keys_of(asset).asset_id}"
    for path in (asset, of_user):
        assert slug(patch(webhook, path, {"name": "mine"}, token=BOB)) == (404, "not-found")
        assert patch(webhook, path, {"name": "mine"}, token=None).status_code == 401
    assert webhook.sidecars.overlays.held == {}
    assert patch(webhook, asset, {"name": "by the admin"}, token=ROOT).json()["name"] == "by the admin"
    assert patch(webhook, of_user, {"name": "again"}, token=ROOT).json()["name"] == "again"
    assert webhook.call("GET", asset).json()["name"] == "again"


def test_asset_that_is_not_stored_is_409_and_says_why(webhook: RunningWebhook) -> None:
    asset_id = start_import(webhook)
    answer = patch(webhook, LIST + asset_id, {"name": "n"})
    assert slug(answer) == (409, "not-stored")
    assert "under way" in answer.json()["detail"]
    finish_without_database(webhook, asset_id, failed_status("HTTP 404"))
    answer = patch(webhook, LIST + asset_id, {"name": "n"})
    assert slug(answer) == (409, "not-stored")
    assert "failed" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": None}, "/name"),
        ({"name": "x" * 256}, "/name"),
        ({"name": 5}, "/name"),
        ({"tags": ["a", "a"]}, "/tags"),
        ({"tags": [""]}, "/tags/0"),
        ({"tags": ["t" * 64]}, "/tags/0"),
        ({"tags": [str(each) for each in range(33)]}, "/tags"),
        ({"tags": "a"}, "/tags"),
        ({"metadata": []}, "/metadata"),
        ({"metadata": "x"}, "/metadata"),
        ({"metadata": {"a": "x" * 8192}}, "/metadata"),
        ({"metadata": json.loads('{"a":' * 33 + "1" + "}" * 33)}, "/metadata"),
        ({"metadata": {str(each): 1 for each in range(257)}}, "/metadata"),
        ({"status": "ready"}, "/status"),
        ({"user_id": "bob"}, "/user_id"),
        ({"url": "https://example.com/"}, "/url"),
    ],
)
def test_bad_field_is_422_and_changes_nothing(webhook: RunningWebhook, asset: str, body: Change, pointer: str) -> None:
    before = webhook.call("GET", asset).json()
    answer = patch(webhook, asset, body)
    assert slug(answer) == (422, "invalid-field")
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]
    assert webhook.call("GET", asset).json() == before
    assert webhook.sidecars.overlays.held == {}


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"\xff", b'{"name": "\\ud800"}', b'{"metadata": {"a": NaN}}', b'{"a":' * 5000]
)
def test_body_that_is_no_json_object_is_400(webhook: RunningWebhook, asset: str, body: bytes) -> None:
    assert webhook.call("PATCH", asset, content=body).status_code == 400


def test_metadata_that_grow_too_large_by_edits_are_422(webhook: RunningWebhook, asset: str) -> None:
    assert patch(webhook, asset, {"metadata": {"note": "x" * 5000}}).status_code == 200
    answer = patch(webhook, asset, {"metadata": {"later": "x" * 5000}})
    assert slug(answer) == (422, "invalid-field")
    assert [each["pointer"] for each in answer.json()["errors"]] == ["/metadata"]
    many = {str(each): 1 for each in range(254)}
    assert patch(webhook, asset, {"metadata": {"note": None, "shot": None, "take": None} | many}).status_code == 422
    assert own(webhook.call("GET", asset).json())[2].keys() == {"shot", "take", "note"}


def test_edit_of_an_asset_that_was_edited_since_is_412(webhook: RunningWebhook, asset: str) -> None:
    first = webhook.call("GET", asset).headers["etag"]
    answer = patch(webhook, asset, {"name": "one"}, headers={"If-Match": first})
    assert answer.status_code == 200
    refused = patch(webhook, asset, {"name": "two"}, headers={"If-Match": first})
    assert slug(refused) == (412, "precondition-failed")
    assert webhook.call("GET", asset).json()["name"] == "one"
    for condition in (answer.headers["etag"], f'"other", {answer.headers["etag"]}', "*"):
        again = patch(webhook, asset, {"name": "one"}, headers={"If-Match": condition})
        assert again.status_code == 200, condition
    for condition in (f"W/{answer.headers['etag']}", "", "x", '"', '"."', "a" * 8000):
        assert patch(webhook, asset, {"name": "x"}, headers={"If-Match": condition}).status_code == 412, condition


def test_tag_of_an_answer_to_an_edit_is_that_of_a_read(webhook: RunningWebhook, asset: str) -> None:
    tag = patch(webhook, asset, {"name": "one"}).headers["etag"]
    assert webhook.call("GET", asset, headers={"If-None-Match": tag}).status_code == 304


def test_url_that_is_signed_anew_does_not_fail_an_edit(webhook: RunningWebhook, asset: str) -> None:
    tags = {webhook.call("GET", asset + query).headers["etag"] for query in ("", "?download=true")}
    assert len(tags) == 2
    for number, tag in enumerate(sorted(tags)):
        answer = patch(webhook, asset, {"metadata": {"width": number}}, headers={"If-Match": tag})
        assert answer.status_code == 200


def test_edits_at_the_same_time_keep_each_others_fields(webhook: RunningWebhook, asset: str, start: Start) -> None:
    replicas = [webhook, start(replica_of=webhook)]

    async def scene() -> list[httpx.Response]:
        headers = {"Authorization": f"Bearer {ALICE}"}
        return await asyncio.gather(
            *(
                replicas[number % 2].send("PATCH", asset, headers=headers, json={"metadata": {f"k{number}": number}})
                for number in range(4)
            )
        )

    assert [each.status_code for each in webhook.run(scene())] == [200] * 4

    def have_all() -> bool:
        shown = [each.call("GET", asset).json()["metadata"].keys() for each in replicas]
        return all({"k0", "k1", "k2", "k3"} <= each for each in shown)

    webhook.until(have_all)


def test_write_between_read_and_write_of_an_edit_is_kept(webhook: RunningWebhook, asset: str) -> None:
    overlays, keys = webhook.sidecars.overlays, keys_of(asset)
    theirs = Overlay(revision=1, updated_at=datetime.now(UTC), name="theirs", tags=[], metadata={"note": "theirs"})

    def once() -> None:
        overlays.before_write = lambda: None
        overlays.put(keys, theirs)

    overlays.before_write = once
    shown = patch(webhook, asset, {"tags": ["ours"]}).json()
    assert own(shown) == ("theirs", ["ours"], {"note": "theirs"})


def test_edit_that_the_cluster_did_not_hear_of_is_completed_by_its_repetition(
    webhook: RunningWebhook, asset: str
) -> None:
    webhook.cluster.down = True
    assert patch(webhook, asset, {"name": "one"}).status_code == 503
    webhook.cluster.down = False
    webhook.until(lambda: "age" not in webhook.call("GET", asset).headers)
    assert webhook.call("GET", asset).json()["name"] == "raw.mp4"
    writes = webhook.sidecars.overlays.writes
    assert patch(webhook, asset, {"name": "one"}).json()["name"] == "one"
    assert (webhook.sidecars.overlays.writes, webhook.call("GET", asset).json()["name"]) == (writes, "one")


def test_resource_that_was_made_anew_shows_what_the_store_has_after_a_412(webhook: RunningWebhook, asset: str) -> None:
    patch(webhook, asset, {"name": "one"})
    resource = resource_of(webhook, keys_of(asset).asset_id)
    del resource["metadata"]["annotations"]
    webhook.run(webhook.cluster.write(resource))
    webhook.until(lambda: webhook.call("GET", asset).json()["name"] == "raw.mp4")
    tag = webhook.call("GET", asset).headers["etag"]
    assert patch(webhook, asset, {"name": "two"}, headers={"If-Match": tag}).status_code == 412
    again = webhook.call("GET", asset)
    assert again.json()["name"] == "one"
    assert patch(webhook, asset, {"name": "two"}, headers={"If-Match": again.headers["etag"]}).status_code == 200


def test_store_that_does_not_answer_is_503_and_nothing_is_edited(webhook: RunningWebhook, asset: str) -> None:
    webhook.sidecars.overlays.down = True
    assert slug(patch(webhook, asset, {"name": "one"})) == (503, "unavailable")
    assert webhook.call("GET", asset).json()["name"] == "raw.mp4"


def test_asset_that_is_deleted_during_its_edit_leaves_no_words_of_it(webhook: RunningWebhook, asset: str) -> None:
    overlays, keys = webhook.sidecars.overlays, keys_of(asset)

    def bury() -> None:
        (name,) = webhook.cluster.imports
        webhook.cluster.imports.pop(name)
        owner = Owner(namespace="media", name="gone", uid="u1")
        stone = Tombstone(owner=owner, source_fingerprint="0" * 64, deleted_at=datetime(2026, 1, 1, tzinfo=UTC))
        webhook.sidecars.held[keys.sidecar] = stone

    overlays.before_write = bury
    assert slug(patch(webhook, asset, {"name": "one"})) == (410, "deleted")
    assert overlays.held[keys.overlay].overlay is None


def test_deleted_asset_is_410(webhook: RunningWebhook, asset: str) -> None:
    webhook.call("DELETE", asset)
    assert slug(patch(webhook, asset, {"name": "one"})) == (410, "deleted")


@pytest.mark.parametrize("text", ["", "null", "[]", '{"name": ""}', '{"name": "x"}', "\ud83d", "{" * 9000])
def test_annotation_that_is_no_overlay_is_left_out_and_told(webhook: RunningWebhook, asset: str, text: str) -> None:
    resource = resource_of(webhook, keys_of(asset).asset_id)
    resource["metadata"]["annotations"] = {ANNOTATION_OVERLAY: text}
    webhook.run(webhook.cluster.write(resource))
    webhook.until(lambda: webhook.call("GET", asset).json()["broken"] is not None)
    shown = webhook.call("GET", asset).json()
    assert (shown["name"], shown["status"]) == ("raw.mp4", "ready")
    assert patch(webhook, asset, {"name": "one"}).json()["broken"] is None


@pytest.mark.parametrize("is_gone", [False, True])
def test_edited_row_has_the_edit_and_is_found_by_it(start: Start, catalogue_url: str, *, is_gone: bool) -> None:
    webhook = start(CATALOGUE_URL=catalogue_url)
    asset_id = start_import(webhook, name="raw.mp4", tags=["raw"], metadata={"shot": 7})
    finish(webhook, asset_id, ready_status(asset_id))
    if is_gone:
        remove(webhook, asset_id)
    shown = patch(webhook, LIST + asset_id, {"name": "heron.mp4", "tags": ["web"], "metadata": {"note": "dawn"}}).json()
    settle(webhook)
    assert rows(catalogue_url, "SELECT name, overlay_revision FROM media_assets") == [("heron.mp4", 1)]
    for query in ("tag=web", "q=heron", "q=dawn", f"ids={asset_id}"):
        assert webhook.call("GET", f"{LIST}?{query}").json()["assets"] == [shown], query
    for query in ("tag=raw", "q=raw"):
        assert webhook.call("GET", f"{LIST}?{query}").json()["assets"] == [], query
    if not is_gone:
        remove(webhook, asset_id)
    restarted = start(replica_of=webhook, CATALOGUE_URL=catalogue_url)
    assert restarted.call("GET", LIST + asset_id).json() == shown
    assert restarted.call("GET", f"{LIST}?q=heron").json()["assets"] == [shown]


def test_row_keeps_an_edit_that_a_late_version_of_the_resource_does_not_know(start: Start, catalogue_url: str) -> None:
    webhook = start(CATALOGUE_URL=catalogue_url)
    asset_id = start_import(webhook, name="raw.mp4")
    finish(webhook, asset_id, ready_status(asset_id))
    late = resource_of(webhook, asset_id)
    remove(webhook, asset_id)
    patch(webhook, LIST + asset_id, {"name": "heron.mp4"})
    webhook.run(webhook.cluster.write(late))
    webhook.until(lambda: webhook.call("GET", LIST + asset_id).json()["name"] == "raw.mp4")
    settle(webhook)
    found = rows(catalogue_url, "SELECT name, search_words, overlay_revision, resource_version FROM media_assets")
    assert [(each[0], "heron" in each[1], each[2]) for each in found] == [("heron.mp4", True, 1)]
    assert found[0][3] == webhook.cluster.version


def test_edit_of_an_asset_whose_row_is_not_written_yet_is_kept(start: Start, catalogue_url: str) -> None:
    webhook = start(CATALOGUE_URL=catalogue_url)
    assert webhook.database is not None
    asset_id = start_import(webhook, name="raw.mp4")
    finish(webhook, asset_id, ready_status(asset_id))

    async def forget(engine: AsyncEngine) -> None:
        async with engine.begin() as connection:
            await connection.execute(sql("DELETE FROM media_assets"))

    run_in(catalogue_url, forget)
    flush = webhook.database.recorder.flush

    async def held() -> None:
        raise DatabaseUnavailableError("held up")

    webhook.database.recorder.flush = held  # type: ignore[method-assign]
    before = webhook.sample("mediaimport_webhook_cache_resources") or 0
    webhook.run(webhook.cluster.remove(resource_of(webhook, asset_id)["metadata"]["name"]))
    webhook.until(lambda: webhook.sample("mediaimport_webhook_cache_resources") == before - 1)
    assert patch(webhook, LIST + asset_id, {"name": "heron.mp4"}).json()["name"] == "heron.mp4"
    for query in (asset_id, "?q=heron"):
        assert "heron.mp4" in webhook.call("GET", LIST + query).text
    webhook.run(flush())
    assert rows(catalogue_url, "SELECT name FROM media_assets") == [("heron.mp4",)]


@pytest.mark.parametrize("is_gone", [False, True])
def test_hostile_values_are_found_as_text_and_nothing_else(start: Start, catalogue_url: str, *, is_gone: bool) -> None:
    webhook = start(CATALOGUE_URL=catalogue_url)
    asset_id = start_import(webhook)
    finish(webhook, asset_id, ready_status(asset_id))
    other = start_import(webhook, name="other")
    finish(webhook, other, ready_status(other))
    if is_gone:
        remove(webhook, asset_id)
    for number, text in enumerate(HOSTILE):
        metadata = {text: text, "deep": {text: [text, None, 1e300, -0.0, 2**53]}}
        change = {"name": f"{number}{text}", "tags": [text], "metadata": metadata}
        answer = patch(webhook, LIST + asset_id, change)
        assert answer.status_code == 200, text
        settle(webhook)
        replaced = text.replace("\0", "\ufffd") if is_gone else text
        shown = webhook.call("GET", LIST + asset_id).json()
        assert (shown["name"], shown["tags"]) == (f"{number}{replaced}", [replaced])
        assert shown["metadata"][replaced] == replaced
        listed = webhook.call("GET", f"{LIST}?tag={quote(text)}").json()["assets"]
        assert [each["id"] for each in listed] == [asset_id], text
        named = f"{number}{text}".replace("\0", "\ufffd")
        assert sorted(rows(catalogue_url, "SELECT name FROM media_assets")) == sorted([(named,), ("other",)])
    assert webhook.call("GET", LIST + other).json()["name"] == "other"
    full = {"metadata": None}, {"metadata": {"deep": "\U0001f469" * 2000}}
    assert [patch(webhook, LIST + asset_id, each).status_code for each in full] == [200, 200]


def test_database_that_is_away_is_told_and_the_edit_is_in_the_store(
    start: Start, make_catalogue_url: Callable[[str], str]
) -> None:
    url = make_catalogue_url("sqlite")
    webhook = start(CATALOGUE_URL=url)
    asset_id = start_import(webhook, name="raw.mp4")
    finish(webhook, asset_id, ready_status(asset_id))
    remove(webhook, asset_id)
    rows_before = rows(url, "SELECT name FROM media_assets")
    assert rows_before == [("raw.mp4",)]
    webhook.cluster.down = True
    assert patch(webhook, LIST + asset_id, {"name": "one"}).status_code == 503
    webhook.cluster.down = False
    assert webhook.sidecars.overlays.held[keys_of(asset_id).overlay].overlay is not None
    webhook.until(lambda: patch(webhook, LIST + asset_id, {"name": "one"}).status_code == 200)
    assert rows(url, "SELECT name FROM media_assets") == [("one",)]
