"""Connections to the catalogue's database, and its migrations."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from mediaimport_webhook.catalogue.archive import DatabaseUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from sqlalchemy import Connection, Dialect
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
    from sqlalchemy.pool import ConnectionPoolEntry

    from mediaimport_webhook.settings import CatalogueUrl

_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "sqlite": "sqlite+aiosqlite"}
_CONNECT_TIMEOUT_S = 5
_TIMEOUT_S = 10
_MIGRATION_LOCK = 0x6D656469_61
"""Key of the advisory lock: two migrations never run at the same time."""
Result = TypeVar("Result")


@asynccontextmanager
async def opened(source: CatalogueUrl) -> AsyncIterator[AsyncEngine]:
    """Open a pool; DatabaseUnavailableError for a wrong URL. Each new connection reads the URL again.

    A password that rotates is then taken up without a restart.
    """
    try:
        url = _parsed(source.read())
    except OSError as error:
        raise DatabaseUnavailableError(f"the catalogue's URL cannot be read: {error}") from error
    # Errors of SQLAlchemy quote a statement's parameters, which are users' own, unless they are hidden.
    engine = create_async_engine(url, hide_parameters=True, pool_recycle=1800)
    event.listen(engine.sync_engine, "do_connect", _current(source))
    try:
        yield engine
    finally:
        await engine.dispose()


async def answered(engine: AsyncEngine, work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
    """Return the work's result, of one transaction of bounded duration; DatabaseUnavailableError.

    A connection of the pool may be dead; to ask each before its use is a round trip more for every read. The work
    runs again on a new connection instead: it must be one that may run twice.
    """
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            try:
                return await _transacted(engine, work)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                return await _transacted(engine, work)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        raise DatabaseUnavailableError(type(_cause(error)).__name__) from error


async def _transacted(engine: AsyncEngine, work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
    async with engine.begin() as connection:
        return await work(connection)


def _cause(error: Exception) -> BaseException:
    """Return the driver's own error, if there is one."""
    return getattr(error, "orig", None) or error


def _current(source: CatalogueUrl) -> Any:  # noqa: ANN401 - SQLAlchemy's listener
    def listener(dialect: Dialect, _: ConnectionPoolEntry, arguments: list[Any], options: dict[str, Any]) -> None:
        url = _parsed(source.read())
        current, named = dialect.create_connect_args(url)
        arguments[:] = current
        options.update(named)
        if dialect.name == "postgresql":
            options.setdefault("connect_timeout", _CONNECT_TIMEOUT_S)

    return listener


def _parsed(value: str) -> URL:
    """Return the URL with our driver. The URL is in no message: it has a password."""
    try:
        url = make_url(value)
    except ArgumentError:
        raise DatabaseUnavailableError("the catalogue's URL cannot be parsed") from None
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        raise DatabaseUnavailableError("the catalogue's URL must start with postgresql:// or sqlite:///")
    return url.set(drivername=driver)


async def migrate(engine: AsyncEngine) -> None:
    """Bring the schema to this release's version in one transaction: in PostgreSQL a failure changes nothing.

    DatabaseUnavailableError.
    """
    try:
        await _migrate(engine)
    except (SQLAlchemyError, CommandError, OSError) as error:
        cause = _cause(error)
        raise DatabaseUnavailableError(f"{type(cause).__name__}: {cause}".partition("\n")[0]) from error


async def _migrate(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
