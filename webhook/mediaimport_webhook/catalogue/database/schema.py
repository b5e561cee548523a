"""Schema of the catalogue's database: one row for each resource that there is or was."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    TypeDecorator,
    and_,
    false,
    literal_column,
    text,
    tuple_,
)
from sqlalchemy.dialects import postgresql

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import BindParameter, ColumnElement, Dialect

    _Value = str | BindParameter[str]


class UtcDateTime(TypeDecorator[datetime]):
    """Time with its zone; SQLite keeps none, so there it is in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Return the time as it is written."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Return the time as it was read, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


JSON_DOCUMENT = JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
ORDERED_TEXT = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
"""Text in the order of its code points, which is that of the cache and of cursors."""

OWNER_MARK = "@"
OWNER_LENGTH = 200
_WORDS = f"array_append(string_to_array(search_words, ' '), '{OWNER_MARK}' || left(user_id, {OWNER_LENGTH}))"
WORDS_VECTOR: ColumnElement[Any] = literal_column(f"array_to_tsvector({_WORDS})")
"""PostgreSQL's vector of an asset's words, as they are, and of its owner: one index then has one user's films.

No word begins with the mark of an owner.
"""

METADATA = MetaData()
KEY = ("user_id", "id", "resource_name")
"""Columns of the primary key."""
MEDIA_ASSETS = Table(
    "media_assets",
    METADATA,
    Column("id", ORDERED_TEXT, nullable=False),
    Column("user_id", ORDERED_TEXT, nullable=False),
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False, comment="uploading, ready, failed or deleted"),
    Column("reason", Text),
    Column("file_type", Text),
    Column("tags", JSON_DOCUMENT, nullable=False),
    Column("job_id", Text, comment="the prediction"),
    Column("provider", Text),
    Column("model", Text),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("completed_at", UtcDateTime),
    Column("file_metadata", JSON_DOCUMENT, nullable=False, comment="as the API shows it, with the user's own"),
    Column("generation", JSON_DOCUMENT, comment="the recipe"),
    Column("thumbnail_s3_key", Text),
    Column("s3_key", Text),
    Column(
        "outputs_expected", Integer, nullable=False, server_default="0", comment="outputs of the prediction, 0: unknown"
    ),
    Column("provider_status", Text, comment="the generator's word for the prediction's state"),
    Column("broken", Text, comment="why the asset cannot be shown whole"),
    Column("search_words", Text, nullable=False, server_default="", comment="words of name, tags, prompt and metadata"),
    Column(
        "overlay_revision", Integer, nullable=False, server_default="0", comment="number of the newest edit, 0 for none"
    ),
    Column("resource_name", ORDERED_TEXT, nullable=False),
    Column("resource_uid", Text, nullable=False),
    Column("resource_version", BigInteger().with_variant(Integer, "sqlite"), nullable=False),
    Column(
        "resource_gone",
        Boolean,
        nullable=False,
        server_default=false(),
        comment="whether the resource was seen to go, or its asset's record was read since",
    ),
    PrimaryKeyConstraint(*KEY),
    Index("media_assets_by_word", text(f"array_to_tsvector({_WORDS})"), postgresql_using="gin").ddl_if("postgresql"),
)
Index("media_assets_of_user", *(MEDIA_ASSETS.c[name] for name in ("user_id", "created_at", "id", "resource_name")))
WITH_RESOURCE = text("NOT resource_gone AND status <> 'uploading'")
"""Condition of the rows of ended imports whose resource nobody saw go."""
Index(
    "media_assets_with_resource",
    *(MEDIA_ASSETS.c[name] for name in KEY),
    postgresql_where=WITH_RESOURCE,
    sqlite_where=WITH_RESOURCE,
)
Index("media_assets_by_time", *(MEDIA_ASSETS.c[name] for name in ("created_at", "id", "resource_name")))
Index("media_assets_by_id", MEDIA_ASSETS.c.id)
Index("media_assets_by_job", MEDIA_ASSETS.c.job_id)
Index("media_assets_by_resource", MEDIA_ASSETS.c.resource_name)
Index("media_assets_by_sha256", MEDIA_ASSETS.c.sha256)
for _name, _first in (
    ("media_assets_of_user_by_size", ("user_id", "size_bytes")),
    ("media_assets_by_size", ("size_bytes",)),
    ("media_assets_by_status", ("status",)),
    ("media_assets_by_model", ("model",)),
):
    Index(_name, *(MEDIA_ASSETS.c[name] for name in (*_first, "created_at", "id", "resource_name")))
Index(
    "media_assets_by_tag", MEDIA_ASSETS.c.tags, postgresql_using="gin", postgresql_ops={"tags": "jsonb_path_ops"}
).ddl_if(dialect="postgresql")


KEY_COLUMNS = tuple(MEDIA_ASSETS.c[name] for name in KEY)
"""In the order of the key, for pages and for what finds many rows by theirs."""


def is_row(*, user_id: _Value, asset_id: _Value, resource_name: _Value) -> ColumnElement[bool]:
    """Return the condition that a row has that primary key, of values or of parameters."""
    columns = MEDIA_ASSETS.c
    return and_(columns.user_id == user_id, columns.id == asset_id, columns.resource_name == resource_name)


def are_rows(keys: Iterable[tuple[str, str, str]]) -> ColumnElement[bool]:
    """Return the condition that a row has one of these primary keys: user, asset and resource."""
    return tuple_(*KEY_COLUMNS).in_(list(keys))
