"""Installation of a store and a database, with the commands that walk the store."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mediaimport_api.names import AssetKeys
from mediaimport_runtime.environment import Environment
from mediaimport_webhook.catalogue.database import Recorder, commands, opened
from mediaimport_webhook.catalogue.database.comparison import OF_RESOURCE
from mediaimport_webhook.catalogue.database.schema import MEDIA_ASSETS
from mediaimport_webhook.catalogue.entry import entry_of
from mediaimport_webhook.settings import CatalogueUrl
from sqlalchemy import select

from tests.support.ended_imports import EndedImport, ended_imports
from tests.support.loopback.seaweed import running_seaweed
from tests.support.loopback.store import BUCKET, Store, running_store, versitygw

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    import pytest
    from mypy_boto3_s3 import S3Client
    from sqlalchemy.ext.asyncio import AsyncEngine

COUNT = 150
IMPORTS = list(ended_imports(COUNT))
DELETED = IMPORTS[::7]
KEPT = [each for number, each in enumerate(IMPORTS) if number % 7]
UNFINISHED = AssetKeys("user-1", "00000000-0000-4000-8000-000000000000")
_COLUMNS = MEDIA_ASSETS.c


def running_store_of(kind: str, folders: pytest.TempPathFactory) -> AbstractContextManager[Store]:
    folder = folders.mktemp("store")
    if kind == "SeaweedFS":
        return running_seaweed(folder, certificate=None)
    return running_store(folder, program=versitygw(), certificate=None)


def put(client: S3Client, key: str, body: bytes = b"x") -> None:
    client.put_object(Bucket=BUCKET, Key=key, Body=body)


@dataclass
class Installation:
    """A store, a database, and the commands. `lines` are those of the last one's log."""

    url: str
    store: Store
    log: pytest.LogCaptureFixture

    def rebuild(self, *, after: str = "", **variables: str) -> int:
        self.log.clear()
        return asyncio.run(commands.rebuild(self._settings(variables), after=after))

    def verify(self, **variables: str) -> int:
        self.log.clear()
        return asyncio.run(commands.verify(self._settings(variables)))

    def _settings(self, changes: dict[str, str]) -> commands.WalkSettings:
        # A process of its own is for those that fork before they have threads.
        own = {"CATALOGUE_URL": self.url, "CATALOGUE_WALK_PROCESSES": "1"}
        variables = self.store.variables() | own | changes
        return commands.WalkSettings.read(Environment(variables))

    def told(self, name: str) -> list[Any]:
        """Return that field of all lines of the log that have it."""
        return [getattr(each, name) for each in self.log.records if hasattr(each, name)]

    def run(self, work: Callable[[AsyncEngine], Any]) -> Any:  # noqa: ANN401 - what the work returns
        async def scene() -> Any:  # noqa: ANN401 - likewise
            async with opened(CatalogueUrl(self.url, None)) as engine:
                return await work(engine)

        return asyncio.run(scene())

    def record(self) -> None:
        """Write the rows of a webhook that sees all resources end, and go."""

        async def work(engine: AsyncEngine) -> None:
            recorder = Recorder(engine)
            for each in IMPORTS:
                recorder.note(entry_of(each.resource))
                recorder.note_gone(entry_of(each.resource if each in KEPT else being_deleted(each)))
            await recorder.flush()

        self.run(work)

    def rows(self, *columns: str) -> list[dict[str, Any]]:
        """Return all rows in order, by default without what only a resource has."""

        async def work(engine: AsyncEngine) -> list[dict[str, Any]]:
            names = columns or [each.name for each in _COLUMNS if each.name not in OF_RESOURCE]
            statement = select(*(_COLUMNS[each] for each in names)).order_by(_COLUMNS.user_id, _COLUMNS.id)
            async with engine.connect() as connection:
                return [dict(each) for each in (await connection.execute(statement)).mappings()]

        rows: list[dict[str, Any]] = self.run(work)
        return [each | {"created_at": None} if each.get("status") == "deleted" else each for each in rows]

    def execute(self, *statements: Any) -> None:  # noqa: ANN401 - any statement
        async def work(engine: AsyncEngine) -> None:
            async with engine.begin() as connection:
                for each in statements:
                    await connection.execute(each)

        self.run(work)


def being_deleted(ended: EndedImport) -> dict[str, Any]:
    about = ended.resource["metadata"]
    later = {"resourceVersion": str(int(about["resourceVersion"]) + 1), "deletionTimestamp": "2026-02-01T00:00:00Z"}
    return ended.resource | {
        "metadata": about | later,
        "spec": ended.resource["spec"] | {"deletionPolicy": "Delete"},
    }


def of(ended: EndedImport) -> Any:  # noqa: ANN401 - SQLAlchemy's
    return (_COLUMNS.user_id == ended.keys.user_id) & (_COLUMNS.id == ended.keys.asset_id)
