"""Ends of resources that no webhook saw, in both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.names import AssetKeys
from mediaimport_api.sidecar import Owner, Tombstone
from mediaimport_webhook.catalogue.database import Recorder, UnseenEnds
from mediaimport_webhook.catalogue.entry import entry_of
from mediaimport_webhook.catalogue.index import Catalogue
from mediaimport_webhook.store import StoreUnavailableError

from tests.support.webhook import ASSET_ID, FakeSidecars, sidecar_of
from tests.unit.webhook.catalogue.test_database import LIST, failed_status, ready_status, resource, rows, run_in

if TYPE_CHECKING:
    from mediaimport_api.sidecar import Sidecar
    from sqlalchemy.ext.asyncio import AsyncEngine

    from tests.support.webhook import Start

KEYS = AssetKeys("alice", ASSET_ID)
TOMBSTONE = Tombstone(
    owner=Owner(namespace="media", name="a", uid="uid-a"),
    source_fingerprint="0" * 64,
    deleted_at=datetime(2026, 1, 2, tzinfo=UTC),
)


def ready(name: str = "a", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - of the resource
    return resource(name, **more) | {"status": ready_status(ASSET_ID)}


class Swept:
    """A database with rows, whose webhook starts again."""

    def __init__(self, url: str, *, page: int = 500) -> None:
        self.url = url
        self.page = page
        self.sidecars = FakeSidecars()

    def record(self, *resources: dict[str, Any], gone: bool = False) -> None:
        async def work(engine: AsyncEngine) -> None:
            recorder = Recorder(engine)
            for each in resources:
                recorder.note(entry_of(each))
            await recorder.flush()
            for each in resources if gone else ():
                recorder.note_gone(entry_of(each))
            await recorder.flush()

        run_in(self.url, work)

    def sweep(self, *there: dict[str, Any], version: int = 100) -> int:
        """Sweep after a list of these resources; return the number of ends."""

        async def work(engine: AsyncEngine) -> int:
            catalogue = Catalogue()
            catalogue.replace([entry_of(each) for each in there], version=version)
            ends = UnseenEnds(engine, Recorder(engine).pending, self.sidecars, page=self.page)
            return await ends.sweep(catalogue)

        ended: int = run_in(self.url, work)
        return ended

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        """Return resource, status and name of all rows."""
        return rows(self.url, "SELECT resource_name, status, name FROM media_assets ORDER BY resource_name")


def test_asset_that_was_deleted_while_no_webhook_ran_answers_410(start: Start, catalogue_url: str) -> None:
    first = start()
    first.sidecars.held[KEYS.sidecar] = TOMBSTONE
    Swept(catalogue_url).record(ready())
    webhook = start(replica_of=first, CATALOGUE_URL=catalogue_url)
    webhook.until(lambda: webhook.call("GET", f"{LIST}{ASSET_ID}").status_code == 410)
    assert webhook.call("GET", LIST).json()["assets"] == []


@pytest.mark.parametrize("status", [ready_status(ASSET_ID), failed_status("HTTP 404")], ids=["ready", "failed"])
def test_deleted_asset_leaves_nothing_that_its_owner_wrote(catalogue_url: str, status: dict[str, Any]) -> None:
    swept = Swept(catalogue_url)
    swept.sidecars.held[KEYS.sidecar] = TOMBSTONE
    swept.record(resource() | {"status": status})
    assert (swept.sweep(), swept.rows) == (1, [("a", "deleted", "")])
    swept.record(ready(version=90))
    assert swept.rows == [("a", "deleted", "")]


@pytest.mark.parametrize("record", [sidecar_of("alice"), None], ids=["sidecar", "no record"])
def test_asset_that_is_not_deleted_stays_and_is_read_once(catalogue_url: str, record: Sidecar | None) -> None:
    swept = Swept(catalogue_url)
    if record is not None:
        swept.sidecars.held[KEYS.sidecar] = record
    swept.record(ready())
    before = swept.rows
    assert (swept.sweep(), swept.sweep(), swept.rows) == (1, 0, before)
    assert swept.sidecars.reads == [KEYS.sidecar]


def test_row_of_a_resource_that_exists_or_is_later_than_the_list_is_left_alone(catalogue_url: str) -> None:
    swept = Swept(catalogue_url)
    swept.sidecars.held[KEYS.sidecar] = TOMBSTONE
    swept.record(ready("here"), ready("later", version=101), resource("unfinished"))
    before = swept.rows
    assert (swept.sweep(ready("here")), swept.rows, swept.sidecars.reads) == (0, before, [])


def test_end_that_was_seen_costs_no_read(catalogue_url: str) -> None:
    swept = Swept(catalogue_url)
    swept.record(ready(), gone=True)
    assert (swept.sweep(), swept.sidecars.reads) == (0, [])


def test_resource_of_the_name_that_comes_back_has_an_end_of_its_own(catalogue_url: str) -> None:
    swept = Swept(catalogue_url)
    swept.record(ready(), gone=True)
    swept.record(ready(uid="second", second=1))
    assert swept.sweep() == 1


def test_store_that_is_away_leaves_the_rows_for_the_next_sweep(catalogue_url: str) -> None:
    swept = Swept(catalogue_url)
    swept.record(ready())
    swept.sidecars.down = True
    with pytest.raises(StoreUnavailableError):
        swept.sweep()
    swept.sidecars.down = False
    swept.sidecars.held[KEYS.sidecar] = TOMBSTONE
    assert (swept.sweep(), swept.rows) == (1, [("a", "deleted", "")])


def test_every_page_is_swept(catalogue_url: str) -> None:
    swept = Swept(catalogue_url, page=2)
    swept.sidecars.held[KEYS.sidecar] = TOMBSTONE
    swept.record(*(ready(f"r{number}") for number in range(5)))
    assert (swept.sweep(ready("r1")), [status for _, status, _ in swept.rows].count("deleted")) == (4, 4)
