"""Marks of recorded imports, in both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.names import ANNOTATION_RECORDED
from mediaimport_runtime.kubernetes.errors import InvalidError
from mediaimport_webhook.catalogue.database import RecordedMarks, Recorder
from mediaimport_webhook.catalogue.entry import entry_of
from sqlalchemy import text

from tests.support.webhook import ASSET_ID
from tests.support.webhook_cluster import FakeCluster
from tests.unit.webhook.catalogue.test_database import (
    failed_status,
    finish,
    ready_status,
    resource,
    resource_of,
    run_in,
    start_import,
)

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from tests.support.webhook import Start

END = "2026-01-01T00:02:00Z"
READY = ready_status(ASSET_ID)


class Scene:
    """A cluster with one ended import, and what marks it."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.cluster = FakeCluster()
        self.recorder = Recorder(engine)
        self.marks = RecordedMarks(engine, self.cluster)

    async def ends(self, status: dict[str, Any], **about: Any) -> dict[str, Any]:  # noqa: ANN401 - of the resource
        written = await self.cluster.write(resource(**about) | {"status": status})
        self.marks.note(entry_of(written))
        return written

    @property
    def mark(self) -> str | None:
        mark: str | None = self.cluster.imports["a"]["metadata"].get("annotations", {}).get(ANNOTATION_RECORDED)
        return mark


def test_webhook_marks_an_import_that_ends(start: Start, catalogue_url: str) -> None:
    webhook = start(CATALOGUE_URL=catalogue_url)
    asset_id = start_import(webhook)
    finish(webhook, asset_id, ready_status(asset_id))

    def mark() -> object:
        return resource_of(webhook, asset_id)["metadata"].get("annotations", {}).get(ANNOTATION_RECORDED)

    webhook.until(lambda: mark() == END)
    webhook.until(lambda: webhook.sample("mediaimport_webhook_catalogue_oldest_unmarked_seconds") == 0)


@pytest.mark.parametrize("status", [READY, failed_status("HTTP 404") | {"completedAt": END}], ids=["ready", "failed"])
def test_import_is_marked_once_its_row_is_written(catalogue_url: str, status: dict[str, Any]) -> None:
    async def work(engine: AsyncEngine) -> list[object]:
        scene = Scene(engine)
        written = await scene.ends(status)
        before = await scene.marks.mark(), scene.mark
        assert scene.marks.oldest_s(datetime(2026, 1, 1, 0, 3, tzinfo=UTC)) == 60
        scene.recorder.note(entry_of(written))
        await scene.recorder.flush()
        return [before, await scene.marks.mark(), scene.mark, scene.marks.waiting]

    assert run_in(catalogue_url, work) == [(False, None), True, END, 0]


@pytest.mark.parametrize(
    "row",
    ["resource_uid = 'other'", "completed_at = '2025-01-01 00:00:00+00'", "completed_at = NULL", "id = 'other'"],
)
def test_row_of_another_run_or_resource_is_none(catalogue_url: str, row: str) -> None:
    async def work(engine: AsyncEngine) -> tuple[bool, str | None]:
        scene = Scene(engine)
        scene.recorder.note(entry_of(await scene.ends(READY)))
        await scene.recorder.flush()
        async with engine.begin() as connection:
            await connection.execute(text(f"UPDATE media_assets SET {row}"))  # noqa: S608 - a case of ours
        return await scene.marks.mark(), scene.mark

    assert run_in(catalogue_url, work) == (False, None)


def test_asset_that_its_importer_found_deleted_is_marked(catalogue_url: str) -> None:
    ready = {"type": "Ready", "status": "False", "reason": "AssetDeleted", "lastTransitionTime": END, "message": ""}
    status = {"phase": "Failed", "run": "", "completedAt": END, "conditions": [ready]}

    async def work(engine: AsyncEngine) -> tuple[bool, str | None]:
        scene = Scene(engine)
        scene.recorder.note(entry_of(await scene.ends(status)))
        await scene.recorder.flush()
        return await scene.marks.mark(), scene.mark

    assert run_in(catalogue_url, work) == (True, END)


def test_run_that_ends_again_is_recorded_and_marked_again(catalogue_url: str) -> None:
    """A watch may show only the end of the second run."""

    async def work(engine: AsyncEngine) -> list[str | None]:
        scene, marks = Scene(engine), []
        for second in ("00", "30"):
            about = scene.cluster.imports.get("a", {}).get("metadata", {}).get("annotations", {})
            item = resource() | {"status": READY | {"completedAt": f"2026-01-01T00:02:{second}Z"}}
            written = await scene.cluster.write(item | {"metadata": item["metadata"] | {"annotations": about}})
            scene.recorder.note(entry_of(written))
            scene.marks.note(entry_of(written))
            await scene.recorder.flush()
            await scene.marks.mark()
            marks.append(scene.mark)
        return marks

    assert run_in(catalogue_url, work) == [END, "2026-01-01T00:02:30Z"]


def test_import_that_the_api_server_refuses_to_change_holds_up_no_other(catalogue_url: str) -> None:
    class Refusing(FakeCluster):
        async def patch_import(self, name: str, patch: dict[str, Any]) -> dict[str, Any] | None:
            if name == "a":
                raise InvalidError("spec.tags: it has an older shape")
            return await super().patch_import(name, patch)

    async def work(engine: AsyncEngine) -> list[object]:
        scene = Scene(engine)
        scene.cluster = Refusing()
        scene.marks = RecordedMarks(engine, scene.cluster)
        for name in ("a", "b"):
            scene.recorder.note(entry_of(await scene.ends(READY, name=name)))
        await scene.recorder.flush()
        progressed = [await scene.marks.mark() for _ in range(2)]
        return [progressed, scene.cluster.imports["b"]["metadata"]["annotations"][ANNOTATION_RECORDED], scene.mark]

    assert run_in(catalogue_url, work) == [[True, False], END, None]


def test_what_is_marked_unfinished_or_gone_waits_for_nothing(catalogue_url: str) -> None:
    async def work(engine: AsyncEngine) -> int:
        scene = Scene(engine)
        marked = resource("marked") | {"status": READY}
        marked["metadata"]["annotations"] = {ANNOTATION_RECORDED: END}
        gone = entry_of(resource("gone") | {"status": READY})
        for each in (entry_of(marked), entry_of(resource("running")), gone):
            scene.marks.note(each)
        scene.marks.note_gone(gone)
        return scene.marks.waiting

    assert run_in(catalogue_url, work) == 0
