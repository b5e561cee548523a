"""Reads of many assets at once are answered as one after the other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_webhook.catalogue.archive import DatabaseUnavailableError
from mediaimport_webhook.catalogue.database import DatabaseArchive, Recorder
from mediaimport_webhook.catalogue.entry import entry_of
from sqlalchemy import event

from tests.support.webhook import migrated
from tests.unit.webhook.catalogue.test_database import failed_status, ready_status, resource, run_in

if TYPE_CHECKING:
    from mediaimport_webhook.catalogue.entry import Entry
    from sqlalchemy.ext.asyncio import AsyncEngine

IDS = [f"00000000-0000-4000-8000-{number:012d}" for number in range(150)]


def written(asset_id: str, name: str, *, user: str = "alice", second: int = 0, ready: bool = False) -> dict[str, Any]:
    status = ready_status(asset_id) if ready else failed_status("gone")
    found = resource(name, second=second, status=status)
    return found | {"spec": found["spec"] | {"assetId": asset_id, "userId": user}}


async def fill(engine: AsyncEngine, *resources: dict[str, Any]) -> DatabaseArchive:
    recorder = Recorder(engine)
    for each in resources:
        recorder.note(entry_of(each))
    await recorder.flush()
    return DatabaseArchive(engine)


@pytest.fixture
def url(catalogue_url: str) -> str:
    asyncio.run(migrated(catalogue_url))
    return catalogue_url


def test_each_of_many_gets_its_own(url: str) -> None:
    async def work(engine: AsyncEngine) -> list[Entry | None]:
        archive = await fill(engine, *(written(each, f"import-{each}") for each in IDS[::2]))
        return await asyncio.gather(*(archive.find(each, user_id="alice") for each in [*IDS, *IDS]))

    found = [None if each is None else each.asset_id for each in run_in(url, work)]
    assert found == [each if number % 2 == 0 else None for number, each in enumerate(IDS)] * 2


def test_user_and_anyone_get_what_is_theirs_in_one_batch(url: str) -> None:
    async def work(engine: AsyncEngine) -> list[Entry | None]:
        archive = await fill(
            engine,
            written(IDS[0], "of-bob", user="bob", second=1),
            written(IDS[0], "of-alice", second=3),
            written(IDS[0], "of-alice-later-but-ready", second=4, ready=True),
        )
        users = ("alice", "bob", "carol", None)
        return await asyncio.gather(*(archive.find(IDS[0], user_id=each) for each in users))

    names = [None if each is None else each.resource_name for each in run_in(url, work)]
    assert names == ["of-alice-later-but-ready", "of-bob", None, "of-alice-later-but-ready"]


@pytest.mark.parametrize("user", ["' OR ''='", "a\\", "{alice}", '","', "NULL", "\u00e9\u2603"])
def test_users_with_any_character_get_nothing_of_others(url: str, user: str) -> None:
    async def work(engine: AsyncEngine) -> list[Entry | None]:
        archive = await fill(engine, written(IDS[0], "of-alice"))
        return await asyncio.gather(*(archive.find(IDS[0], user_id=each) for each in (user, "alice")))

    stranger, owner = run_in(url, work)
    assert (stranger, owner.resource_name) == (None, "of-alice")


@pytest.mark.parametrize("catalogue_url", ["postgresql"], indirect=True)
def test_caller_that_leaves_takes_no_answer_from_another(url: str) -> None:
    async def work(engine: AsyncEngine) -> Entry | None:
        archive = await fill(engine, written(IDS[0], "a"))
        leaving, staying = (asyncio.ensure_future(archive.find(IDS[0], user_id="alice")) for _ in range(2))
        await asyncio.sleep(0)
        leaving.cancel()
        return await staying

    assert run_in(url, work).resource_name == "a"


@pytest.mark.parametrize("catalogue_url", ["postgresql"], indirect=True)
def test_many_cost_one_statement_for_a_hundred(url: str) -> None:
    statements: list[str] = []

    async def work(engine: AsyncEngine) -> None:
        archive = await fill(engine, *(written(each, f"import-{each}") for each in IDS))
        event.listen(engine.sync_engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
        await asyncio.gather(*(archive.find(each, user_id="alice") for each in IDS))

    run_in(url, work)
    assert len(statements) == 2


def test_database_that_is_away_is_told_to_each(url: str) -> None:
    async def work(engine: AsyncEngine) -> list[Entry | BaseException | None]:
        archive = DatabaseArchive(engine)
        async with engine.begin() as connection:
            await connection.exec_driver_sql("ALTER TABLE media_assets RENAME TO elsewhere")
        reads = (archive.find(each, user_id="alice") for each in IDS[:3])
        return await asyncio.gather(*reads, return_exceptions=True)

    assert {type(each) for each in run_in(url, work)} == {DatabaseUnavailableError}
