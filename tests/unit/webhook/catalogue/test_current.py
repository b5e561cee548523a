"""Reads between the end of a resource and the write of its row. The recorder is held up as a slow database does."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_webhook.catalogue.database import CurrentArchive, DatabaseArchive, Recorder, opened
from mediaimport_webhook.catalogue.entry import entry_of
from mediaimport_webhook.catalogue.query import Query, Sort
from mediaimport_webhook.settings import CatalogueUrl

from tests.support.webhook import ASSET_ID
from tests.unit.webhook.catalogue.test_database import (
    LIST,
    URL,
    failed_status,
    ready_status,
    resource_of,
    settle,
    start_import,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from mediaimport_webhook.catalogue.entry import Entry

    from tests.support.webhook import RunningWebhook, Start


class Held:
    """A webhook whose recorder writes nothing for now."""

    def __init__(self, webhook: RunningWebhook) -> None:
        self.webhook = webhook
        assert webhook.database is not None
        self.recorder = webhook.database.recorder

    def settle(self) -> None:
        settle(self.webhook)

    def hold(self) -> None:
        self.webhook.run(self.recorder.pending.writing.acquire())

    def release(self) -> None:
        self.recorder.pending.writing.release()
        self.settle()

    def write(self, asset_id: str, status: dict[str, Any]) -> None:
        self.webhook.run(self.webhook.cluster.write(resource_of(self.webhook, asset_id) | {"status": status}))
        path = f"{LIST}{asset_id}"
        self.webhook.until(lambda: self.webhook.call("GET", path).json()["phase"] == status["phase"])

    def remove(self, asset_id: str) -> None:
        cached = self.webhook.sample("mediaimport_webhook_cache_resources") or 0
        self.webhook.run(self.webhook.cluster.remove(resource_of(self.webhook, asset_id)["metadata"]["name"]))
        self.webhook.until(lambda: self.webhook.sample("mediaimport_webhook_cache_resources") == cached - 1)

    def listed(self, parameters: str = "") -> list[str]:
        return [each["id"] for each in self.webhook.call("GET", LIST + parameters).json()["assets"]]


@pytest.fixture
def held(start: Start, catalogue_url: str) -> Iterator[Held]:
    running = Held(start(CATALOGUE_URL=catalogue_url))
    yield running
    if running.recorder.pending.writing.locked():
        running.release()


def test_deleted_asset_is_gone_before_its_row_is_written(held: Held) -> None:
    asset_id = start_import(held.webhook, name="red car")
    held.write(asset_id, ready_status(asset_id))
    held.settle()
    held.hold()
    assert held.webhook.call("DELETE", f"{LIST}{asset_id}").status_code == 202
    held.remove(asset_id)
    assert held.webhook.call("GET", f"{LIST}{asset_id}").status_code == 410
    assert (held.listed(), held.listed("?q=red")) == ([], [])
    held.release()
    assert held.webhook.call("GET", f"{LIST}{asset_id}").status_code == 410


def test_ended_import_is_shown_and_found_before_its_row_is_written(held: Held) -> None:
    asset_id = start_import(held.webhook, name="red car")
    held.settle()
    held.hold()
    held.write(asset_id, failed_status("HTTP 404"))
    before = held.webhook.call("GET", f"{LIST}{asset_id}").json()
    held.remove(asset_id)
    assert held.webhook.call("GET", f"{LIST}{asset_id}").json() == before
    assert [held.listed(each) for each in ("", "?q=re+car")] == [[asset_id]] * 2
    assert [held.listed(each) for each in ("?q=blue", "?status=uploading")] == [[]] * 2


def test_unfinished_import_is_gone_before_its_row_is(held: Held) -> None:
    asset_id = start_import(held.webhook)
    held.settle()
    held.hold()
    held.remove(asset_id)
    assert held.webhook.call("GET", f"{LIST}{asset_id}").status_code == 404
    assert held.listed() == []


def entry(name: str, *, number: int, version: int = 10, phase: str = "Ready", **spec: object) -> Entry:
    about = {
        "name": name,
        "uid": f"uid-{name}-{number}",
        "resourceVersion": str(version),
        "creationTimestamp": f"2026-01-01T00:00:{number:02d}Z",
    }
    asset_id = f"{ASSET_ID[:-2]}{number:02d}"
    resource = {"source": {"url": URL}, "assetId": asset_id, "userId": "alice"} | spec
    return entry_of({"metadata": about, "spec": resource, "status": {"phase": phase}})


@asynccontextmanager
async def parts(url: str) -> AsyncIterator[tuple[Recorder, CurrentArchive]]:
    async with opened(CatalogueUrl(url, None)) as engine:
        recorder = Recorder(engine)
        yield recorder, CurrentArchive(DatabaseArchive(engine), recorder.pending)


def test_former_asset_of_a_name_is_written_although_the_name_is_taken_again(catalogue_url: str) -> None:
    async def scene() -> list[str]:
        async with parts(catalogue_url) as (recorder, archive):
            recorder.note_gone(entry("a", number=1))
            recorder.note(entry("a", number=2))
            await recorder.flush()
            found = await archive.page(Query(), user_id=None, limit=9, after=None)
            return sorted(each.asset_id[-2:] for each in found)

    assert asyncio.run(scene()) == ["01", "02"]


@pytest.mark.parametrize("sort", list(Sort))
@pytest.mark.parametrize("limit", [1, 2, 7])
def test_pages_are_the_same_before_and_after_the_write(catalogue_url: str, sort: Sort, limit: int) -> None:
    async def walked(archive: CurrentArchive) -> list[str]:
        query, place, found = Query(sort=sort), None, []
        while page := await archive.page(query, user_id="alice", limit=limit, after=place):
            place = query.place(page[-1])
            found += [each.resource_name for each in page]
        return found

    async def scene() -> tuple[list[str], list[str]]:
        async with parts(catalogue_url) as (recorder, archive):
            for number in range(9):
                recorder.note(entry(f"n{number}", number=number, phase="Importing"))
            await recorder.flush()
            for number in (0, 2, 3, 4, 8, 9, 10):
                phase = "Importing" if number == 3 else "Ready"  # one is lost, two had no row
                recorder.note_gone(entry(f"n{number}", number=number, version=20, phase=phase))
            recorder.note_gone(entry("n5", number=5, version=20, userId="bob"))
            before = await walked(archive)
            await recorder.flush()
            return before, await walked(archive)

    before, after = asyncio.run(scene())
    assert before == after
    assert set(after) == {f"n{number}" for number in (0, 1, 2, 4, 5, 6, 7, 8, 9, 10)}


def test_read_that_began_before_a_write_misses_nothing(catalogue_url: str) -> None:
    async def scene() -> tuple[bool, bool]:
        async with parts(catalogue_url) as (recorder, _):
            recorder.note(entry("a", number=1))
            await recorder.flush()
            with recorder.pending.gone() as gone:
                recorder.note_gone(entry("a", number=1, version=11, phase="Importing"))
                await recorder.flush()
                (change,) = gone.values()
            with recorder.pending.gone() as later:
                return change.is_lost, bool(later)

    assert asyncio.run(scene()) == (True, False)


def test_one_resource_of_an_asset_that_is_not_written_hides_no_other(catalogue_url: str) -> None:
    async def scene() -> list[str | None]:
        async with parts(catalogue_url) as (recorder, archive):
            first = entry("first", number=1, assetId=ASSET_ID)
            second = entry("second", number=1, phase="Failed", assetId=ASSET_ID)
            recorder.note(first)
            recorder.note(second)
            await recorder.flush()
            seen: list[str | None] = []
            for each in (first, second):
                found = await archive.find(ASSET_ID, user_id="alice")
                seen.append(None if found is None else found.resource_name)
                recorder.note_gone(entry(each.resource_name, number=1, version=12, phase="Importing", assetId=ASSET_ID))
            found = await archive.find(ASSET_ID.upper(), user_id=None)
            return [*seen, None if found is None else found.resource_name]

    assert asyncio.run(scene()) == ["first", "second", None]


def test_failed_import_that_is_removed_before_its_row_is_written_does_not_come_back(catalogue_url: str) -> None:
    async def scene() -> list[Entry]:
        async with parts(catalogue_url) as (recorder, archive):
            recorder.note(entry("a", number=1))
            await recorder.flush()
            ended = entry("a", number=1, version=11, phase="Failed")
            recorder.note_gone(ended)
            await archive.remove(ended)
            await recorder.flush()
            return await archive.page(Query(), user_id=None, limit=9, after=None)

    assert asyncio.run(scene()) == []
