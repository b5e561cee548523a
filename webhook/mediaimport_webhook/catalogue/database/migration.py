"""Migrations of the schema. Only the command loads this module: Alembic takes 13 MB."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from mediaimport_webhook.catalogue.archive import DatabaseUnavailableError
from mediaimport_webhook.catalogue.database.engine import cause_of

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncEngine

_MIGRATION_LOCK = 0x6D656469_61
"""Key of the advisory lock: two migrations never run at the same time."""


async def migrate(engine: AsyncEngine) -> None:
    """Bring the schema to this release's version in one transaction: in PostgreSQL a failure changes nothing.

    DatabaseUnavailableError.
    """
    try:
        await _migrate(engine)
    except (SQLAlchemyError, CommandError, OSError) as error:
        cause = cause_of(error)
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
