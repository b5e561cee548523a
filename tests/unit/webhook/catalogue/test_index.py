from __future__ import annotations

from typing import Any

from mediaimport_webhook.catalogue.entry import entry_of
from mediaimport_webhook.catalogue.index import Catalogue
from mediaimport_webhook.catalogue.query import Query

ID = "0d5d4b1e-98a7-5f3c-8a57-1a1c7a2c9b54"


def resource(
    name: str = "a", *, version: int = 10, user: str = "alice", asset_id: str = ID, second: int = 0
) -> dict[str, Any]:
    about = {
        "name": name,
        "uid": f"uid-{name}",
        "resourceVersion": str(version),
        "creationTimestamp": f"2026-01-01T00:00:{second:02d}Z",
    }
    source = {"url": "https://example.com/a.mp4"}
    return {"metadata": about, "spec": {"source": source, "assetId": asset_id, "userId": user}}


def names(catalogue: Catalogue, user_id: str | None = None) -> list[str]:
    found = catalogue.page(Query(limit=100), user_id=user_id)
    return [each.resource_name for each in found.entries]


def test_older_news_never_replaces_newer() -> None:
    catalogue = Catalogue()
    catalogue.observe(resource(version=12) | {"status": {"phase": "Ready"}})
    catalogue.observe(resource(version=11) | {"status": {"phase": "Importing"}})
    found = catalogue.find(ID, user_id="alice")
    assert found is not None
    assert found.json["phase"] == "Ready"


def test_list_removes_what_it_lacks() -> None:
    catalogue = Catalogue()
    catalogue.observe(resource("a", version=10))
    catalogue.observe(resource("b", version=11))
    catalogue.replace([entry_of(resource("b", version=11))], version=20)
    assert names(catalogue) == ["b"]


def test_list_leaves_what_is_newer_than_itself() -> None:
    catalogue = Catalogue()
    catalogue.insert(resource("mine", version=21))
    catalogue.replace([], version=20)
    assert names(catalogue) == ["mine"]


def test_own_write_that_was_deleted_since_is_not_brought_back() -> None:
    catalogue = Catalogue()
    catalogue.observe(resource(version=10))
    catalogue.forget(resource(version=12))
    catalogue.insert(resource(version=11))
    assert names(catalogue) == []


def test_late_deletion_of_a_former_resource_spares_its_successor() -> None:
    catalogue = Catalogue()
    catalogue.insert(resource(version=30))
    catalogue.forget(resource(version=29))
    assert names(catalogue) == ["a"]


def test_order_follows_creation_and_users_are_apart() -> None:
    catalogue = Catalogue()
    for second, (name, user) in enumerate([("a", "alice"), ("b", "bob"), ("c", "alice")]):
        catalogue.observe(resource(name, user=user, second=second, asset_id=f"id-{name}"))
    assert names(catalogue) == ["c", "b", "a"]
    assert (names(catalogue, "alice"), names(catalogue, "nobody")) == (["c", "a"], [])


def test_of_two_resources_with_one_asset_id_the_older_shows() -> None:
    catalogue = Catalogue()
    catalogue.observe(resource("young", second=2))
    catalogue.observe(resource("old", second=1))
    found = catalogue.find(ID, user_id="alice")
    assert found is not None
    assert found.resource_name == "old"
    catalogue.forget(resource("old", version=50))
    found = catalogue.find(ID.upper(), user_id=None)
    assert found is not None
    assert found.resource_name == "young"


def test_page_goes_on_where_it_ended_though_entries_come_and_go() -> None:
    catalogue = Catalogue()
    for second in range(6):
        catalogue.observe(resource(f"r{second}", second=second, asset_id=f"id-{second}"))
    first = catalogue.page(Query(limit=2), user_id=None)
    catalogue.forget(resource("r4", version=99, second=4, asset_id="id-4"))
    catalogue.observe(resource("r9", second=9, asset_id="id-9", version=100))
    second_page = catalogue.page(Query(limit=2, after=first.last), user_id=None)
    assert [each.resource_name for each in second_page.entries] == ["r3", "r2"]


def test_status_of_an_unknown_version_counts_as_not_there_yet() -> None:
    entry = entry_of(resource() | {"status": {"phase": "Teleporting", "progress": "x"}})
    assert (entry.status, entry.json["phase"]) == ("uploading", "Pending")


def test_resource_without_an_asset_id_goes_by_its_uid() -> None:
    bare = resource()
    del bare["spec"]["assetId"], bare["spec"]["userId"]
    entry = entry_of(bare)
    assert (entry.asset_id, entry.user_id) == ("uid-a", "default")


def test_asset_stays_ready_though_a_newer_release_says_more_of_it() -> None:
    key = f"media/alice/{ID}/video.mp4"
    asset = {"id": ID, "sha256": "0" * 64, "sizeBytes": 7, "contentType": "video/mp4", "bucket": "b", "key": key}
    media = {"formatName": "mp4", "warnings": ["FromTheFuture"]}
    for kind in ("video", "hologram"):
        status = {"phase": "Ready", "run": "", "asset": asset | {"kind": kind}, "media": media}
        entry = entry_of(resource() | {"status": status})
        assert (entry.status, entry.original_key, entry.type) == ("ready", key, kind)


def test_asset_id_in_any_spelling_is_that_of_the_stores_keys() -> None:
    asset = {
        "id": ID,
        "sha256": "0" * 64,
        "sizeBytes": 1,
        "contentType": "video/mp4",
        "kind": "video",
        "bucket": "media",
    }
    status = {"phase": "Ready", "asset": asset | {"key": f"media/alice/{ID}/video.mp4"}}
    for spelling in (ID, ID.upper(), ID.replace("-", "")):
        entry = entry_of(resource(asset_id=spelling) | {"status": status})
        assert (entry.asset_id, entry.original_key) == (ID, f"media/alice/{ID}/video.mp4")
