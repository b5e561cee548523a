"""Event streams of imports that end and are recorded before their stream has told it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from mediaimport_webhook.catalogue.archive import DatabaseUnavailableError
from mediaimport_webhook.catalogue.entry import Entry, entry_of
from mediaimport_webhook.catalogue.index import Catalogue
from mediaimport_webhook.catalogue.listing import Listing

from tests.unit.webhook.routes import test_events as of_one
from tests.unit.webhook.routes import test_events_of_all as of_all

if TYPE_CHECKING:
    from mediaimport_webhook.catalogue.query import Place, Query


class Rows:
    """Rows of recorded imports, as the database has them."""

    def __init__(self) -> None:
        self.held: list[Entry] = []
        self.is_away = False

    async def page(self, query: Query, *, user_id: str | None, limit: int, after: Place | None) -> list[Entry]:
        assert (user_id, after) == (None, None)
        if self.is_away:
            raise DatabaseUnavailableError
        return [each for each in self.held if query.matches(each)][:limit]

    def is_recorded(self, entry: Entry) -> bool:
        """Record what has ended at once."""
        if entry.status != "uploading":
            self.held = [each for each in self.held if each.resource_name != entry.resource_name] + [entry]
        return entry.status != "uploading"


def listing_of(rows: Rows) -> Listing:
    return Listing(Catalogue(is_recorded=rows.is_recorded), rows)  # type: ignore[arg-type]  # pages alone are asked for


@pytest.mark.parametrize("is_away", [False, True])
def test_client_that_was_away_is_told_of_what_was_recorded_meanwhile(is_away: bool) -> None:  # noqa: FBT001 - a case
    async def scene() -> None:
        rows = Rows()
        world = of_all.World(listing=listing_of(rows))
        world.listed(of_all.resource(1, 50))
        for number, user in ((1, "alice"), (2, "bob"), (3, "alice")):
            world.catalogue.observe(of_all.resource(number, 100 + number, "Ready", user=user))
        assert world.catalogue.entries == 0
        rows.is_away = is_away
        stream = await world.stream(seen="100")
        if is_away:
            assert of_all.read(await anext(stream)) == ("reset", "", "103")
        else:
            assert of_all.read(await anext(stream)) == ("asset", of_all.asset_id(1), None)
            assert of_all.read(await anext(stream)) == ("asset", of_all.asset_id(3), "103")
        rows.is_away = False
        world.catalogue.observe(of_all.resource(4, 104, "Failed"))
        assert of_all.read(await anext(stream)) == ("asset", of_all.asset_id(4), "104")
        rows.is_away = True
        world.catalogue.observe(of_all.resource(5, 105, "Failed"))
        assert of_all.read(await anext(stream)) == ("reset", "", "105")

    asyncio.run(scene())


def test_recorded_import_that_runs_again_is_told_once_as_it_is_now() -> None:
    async def scene() -> None:
        rows = Rows()
        world = of_all.World(listing=listing_of(rows))
        world.listed(of_all.resource(1, 50, "Failed"))
        stream = await world.stream(seen="100")
        following = await world.until_followed(stream)
        world.catalogue.observe(of_all.resource(1, 101, "Failed"))
        world.catalogue.observe(of_all.resource(1, 102, "Importing"))
        event = await following
        assert (of_all.read(event), b"Importing" in event) == (("asset", of_all.asset_id(1), "102"), True)

    asyncio.run(scene())


def test_stream_of_one_import_ends_with_its_end_though_it_is_recorded() -> None:
    async def scene() -> None:
        rows = Rows()
        world = of_one.World(listing=listing_of(rows))
        entry = entry_of(of_one.resource(10, "Importing"))
        stream = world.routes._stream(entry, None)
        world.catalogue.observe(of_one.resource(11, "Ready"))
        assert [each async for each in stream][1].startswith(b"id: 11\nevent: asset")

    asyncio.run(scene())


def test_stream_whose_end_the_database_alone_knows_is_cut_and_tells_no_lie() -> None:
    async def scene() -> None:
        rows = Rows()
        world = of_one.World(listing=listing_of(rows))
        rows.is_away = True
        entry = entry_of(of_one.resource(10, "Importing"))
        stream = world.routes._stream(entry, None)
        world.catalogue.observe(of_one.resource(11, "Ready"))
        assert [each async for each in stream] == [b"retry: 3000\n\n"]

    asyncio.run(scene())
