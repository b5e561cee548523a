"""Connections to the catalogue's database."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from mediaimport_webhook.catalogue.archive import DatabaseUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from sqlalchemy import Dialect
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
    from sqlalchemy.pool import ConnectionPoolEntry

    from mediaimport_webhook.settings import CatalogueUrl

_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "sqlite": "sqlite+aiosqlite"}
_CONNECT_TIMEOUT_S = 5
_TIMEOUT_S = 10
Result = TypeVar("Result")


@asynccontextmanager
async def opened(source: CatalogueUrl) -> AsyncIterator[AsyncEngine]:
    """Open a pool; DatabaseUnavailableError for a wrong URL. Each new connection reads the URL again.

    A password that rotates is then taken up without a restart.
    """
    url = _read(source)
    # Errors of SQLAlchemy quote a statement's parameters, which are users' own, unless they are hidden.
    engine = create_async_engine(url, hide_parameters=True, pool_recycle=1800)
    event.listen(engine.sync_engine, "do_connect", _current(source))
    try:
        yield engine
    finally:
        await engine.dispose()


def is_sqlite(source: CatalogueUrl) -> bool:
    """Tell whether the database is a file; DatabaseUnavailableError for a wrong URL."""
    return _read(source).get_backend_name() == "sqlite"


async def answered(engine: AsyncEngine, work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
    """Return the work's result, of one transaction of bounded duration; DatabaseUnavailableError.

    A connection of the pool may be dead; to ask each before its use is a round trip more for every read. The work
    runs again on a new connection instead: it must be one that may run twice. A caller that is cancelled waits for the
    end of the transaction: drivers that are interrupted leave connections, and threads, of which nobody knows.
    """
    task = asyncio.ensure_future(_answered(engine, work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


async def _answered(engine: AsyncEngine, work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            try:
                return await _transacted(engine, work)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                return await _transacted(engine, work)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        raise DatabaseUnavailableError(type(cause_of(error)).__name__) from error


async def _transacted(engine: AsyncEngine, work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
    async with engine.begin() as connection:
        return await work(connection)


def cause_of(error: Exception) -> BaseException:
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


def _read(source: CatalogueUrl) -> URL:
    try:
        return _parsed(source.read())
    except OSError as error:
        raise DatabaseUnavailableError(f"the catalogue's URL cannot be read: {error}") from error


def _parsed(value: str) -> URL:
    """Return the URL with our driver. The URL is in no message: it has a password."""
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):  # the latter for a port that is no number
        raise DatabaseUnavailableError("the catalogue's URL cannot be parsed") from None
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        raise DatabaseUnavailableError("the catalogue's URL must start with postgresql:// or sqlite:///")
    return url.set(drivername=driver)
