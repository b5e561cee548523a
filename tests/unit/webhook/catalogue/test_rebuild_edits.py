"""`rebuild` and `verify-catalogue` after edits: an overlay lies next to the sidecar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.store_settings import StoreSettings
from mediaimport_webhook.catalogue import Catalogue, entry_of
from mediaimport_webhook.catalogue.database import DatabaseArchive, Recorder, commands
from mediaimport_webhook.catalogue.database.schema import MEDIA_ASSETS
from mediaimport_webhook.imports.edit import Edits
from mediaimport_webhook.store.overlays import Overlays
from mediaimport_webhook.store.sidecars import Sidecars, open_fetch
from sqlalchemy import delete, update

from tests.support.walked_store import COUNT, KEPT, Installation, being_deleted, of, put
from tests.support.webhook_cluster import FakeCluster

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncEngine

    from tests.support.ended_imports import EndedImport
    from tests.support.loopback.store import Store

WITH_RESOURCE, WITHOUT_RESOURCE, UNTOUCHED = KEPT[:10], KEPT[10:20], KEPT[20]
EDITS: list[dict[str, Any]] = [
    {"name": "größe 😀.mp4", "tags": ["new", "東京"], "metadata": {"scene": None, "width": 7, "text": "green"}},
    {"tags": []},
    {"metadata": {"deep": {"list": [1e-7, 2**53 - 1]}, "note": "a\ufffdb"}},
]


@pytest.fixture(autouse=True)
def no_overlays(store: Store) -> Iterator[None]:
    """Take the overlays of a test out of the store."""
    yield
    client = store.client()
    for each in KEPT:
        client.delete_object(Bucket=store.variables()["S3_BUCKET_NAME"], Key=each.keys.overlay)


def edit(installation: Installation, chosen: Sequence[EndedImport], *, in_cluster: bool) -> None:
    """Edit each asset once or more, as PATCH does, and let the recorder see the resources that change by it."""
    settings = StoreSettings.read(Environment(installation.store.variables()))

    async def work(engine: AsyncEngine) -> None:
        cluster, recorder, archive = FakeCluster(), Recorder(engine), DatabaseArchive(engine)
        catalogue = Catalogue(on_changed=recorder.note, on_gone=recorder.note_gone)
        cluster.version = 10**6
        async with open_fetch(settings) as fetch:
            edits = Edits(cluster, catalogue, Sidecars(settings, fetch), Overlays(settings), archive)
            for number, each in enumerate(chosen):
                entry = catalogue.insert(await cluster.write(each.resource)) if in_cluster else entry_of(each.resource)
                for changes in EDITS[number % 3 :]:
                    entry = await edits.edit(entry, changes, is_expected=lambda _: True)
        await recorder.flush()

    installation.run(work)


def test_rebuilt_database_has_the_edits(installation: Installation) -> None:
    installation.record()
    edit(installation, WITH_RESOURCE, in_cluster=True)
    edit(installation, WITHOUT_RESOURCE, in_cluster=False)
    edited = installation.rows()
    assert {each["overlay_revision"] for each in edited} == {0, 1, 2, 3}
    assert (len([each for each in edited if each["overlay_revision"]]), installation.verify()) == (20, 0)
    installation.execute(delete(MEDIA_ASSETS))
    assert (installation.rebuild(), installation.rows(), installation.verify()) == (0, edited, 0)


def test_edit_that_did_not_reach_its_row_is_found_and_written(installation: Installation) -> None:
    installation.record()
    chosen = WITHOUT_RESOURCE[0]
    edit(installation, [chosen], in_cluster=False)
    edited = installation.rows()
    former = {"name": "old", "tags": ["old"], "file_metadata": {}, "search_words": "old", "overlay_revision": 1}
    installation.execute(update(MEDIA_ASSETS).where(of(chosen)).values(**former, resource_version=2000))
    assert installation.verify() == commands.DIFFERENT
    assert installation.told("columns") == [sorted(former)]
    assert (installation.rebuild(), installation.rows(), installation.verify()) == (0, edited, 0)


def test_later_edit_of_the_row_stays(installation: Installation) -> None:
    installation.record()
    chosen = WITHOUT_RESOURCE[0]
    edit(installation, [chosen], in_cluster=False)
    installation.execute(update(MEDIA_ASSETS).where(of(chosen)).values(name="later", overlay_revision=9))
    assert installation.rebuild() == 0
    assert row(installation, chosen)["name"] == "later"


def test_deletion_takes_the_edits_of_the_row(installation: Installation) -> None:
    """The resource may be one without the annotation, and the tombstone knows nothing of edits."""
    installation.record()
    first, second = WITHOUT_RESOURCE[:2]
    edit(installation, [first, second], in_cluster=False)

    async def work(engine: AsyncEngine) -> None:
        recorder = Recorder(engine)
        recorder.note_gone(entry_of(being_deleted(first)))
        await recorder.flush()

    installation.run(work)
    put(installation.store.client(), second.keys.sidecar, second.tombstone)
    try:
        assert installation.rebuild() == 0
    finally:
        put(installation.store.client(), second.keys.sidecar, second.sidecar)
    for each in (first, second):
        found = row(installation, each)
        assert (found["status"], found["name"], found["tags"], found["search_words"]) == ("deleted", "", [], "")


def row(installation: Installation, ended: EndedImport) -> Mapping[str, Any]:
    return next(each for each in installation.rows() if each["id"] == ended.keys.asset_id)


def test_deleted_row_takes_no_edit(installation: Installation) -> None:
    installation.record()
    chosen = WITHOUT_RESOURCE[0]
    installation.execute(update(MEDIA_ASSETS).where(of(chosen)).values(status="deleted", name=""))
    edit(installation, [chosen], in_cluster=False)
    assert row(installation, chosen)["name"] == ""


def test_empty_overlay_is_none(installation: Installation) -> None:
    installation.record()
    put(installation.store.client(), UNTOUCHED.keys.overlay, b"")
    assert (installation.verify(), installation.rebuild()) == (0, 0)


@pytest.mark.parametrize("body", [b"{", b'{"version": 1}'], ids=["cut", "no overlay"])
def test_wrong_overlay_is_reported_and_its_sidecar_shown(installation: Installation, body: bytes) -> None:
    installation.record()
    recorded = installation.rows()
    installation.execute(delete(MEDIA_ASSETS))
    put(installation.store.client(), UNTOUCHED.keys.overlay, body)
    assert installation.rebuild() == commands.DIFFERENT
    assert (installation.told("key"), installation.told("wrong")) == ([UNTOUCHED.keys.overlay], [1])
    assert (installation.told("written"), installation.rows()) == ([COUNT], recorded)
    assert (installation.verify(), installation.told("wrong_record")) == (commands.DIFFERENT, [1])
