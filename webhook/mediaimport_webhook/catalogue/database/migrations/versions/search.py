"""Second version: the words of a full-text search, and the indexes of filters and orders."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic import op

if TYPE_CHECKING:
    from collections.abc import Sequence

revision = "0002"
down_revision = "0001"

_BATCH = 500
_SEPARATORS = re.compile(r"[\s\0-/:-@\[-`{-\xa0\u2000-\u206f\u3000-\u303f]+")
_INDEXES = {
    "media_assets_by_sha256": ("sha256",),
    "media_assets_of_user_by_size": ("user_id", "size_bytes", "created_at", "id", "resource_name"),
    "media_assets_by_size": ("size_bytes", "created_at", "id", "resource_name"),
    "media_assets_by_status": ("status", "created_at", "id", "resource_name"),
    "media_assets_by_model": ("model", "created_at", "id", "resource_name"),
}


def upgrade() -> None:
    """Add the column and its words, then the indexes. Only PostgreSQL has those of tags and words."""
    words = sa.Column(
        "search_words", sa.Text, nullable=False, server_default="", comment="words of name, tags, prompt and metadata"
    )
    op.add_column("media_assets", words)
    _fill(op.get_bind())
    for name, columns in _INDEXES.items():
        op.create_index(name, "media_assets", list(columns))
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE INDEX media_assets_by_tag ON media_assets USING gin (tags jsonb_path_ops)")
        vector = "array_to_tsvector(string_to_array(search_words, ' '))"
        op.execute(f"CREATE INDEX media_assets_by_word ON media_assets USING gin ({vector})")


def _fill(connection: sa.Connection) -> None:
    """Write the words of the rows that are there. Their next change writes them anew, with all rules of a search."""
    key = "user_id, id, resource_name"
    found = connection.execute(
        sa.text(f"SELECT {key}, name, tags, file_metadata, generation FROM media_assets")  # noqa: S608 - constants
    )
    update = sa.text(
        "UPDATE media_assets SET search_words = :words"
        " WHERE user_id = :user_id AND id = :id AND resource_name = :resource_name"
    )
    for rows in found.partitions(_BATCH):
        values = [
            {"user_id": each[0], "id": each[1], "resource_name": each[2], "words": _words(each[3:])} for each in rows
        ]
        connection.execute(update, values)


def _words(documents: Sequence[Any]) -> str:
    name, *others = documents
    tags, metadata, recipe = (json.loads(each) if isinstance(each, str) else each for each in others)
    prompt = ((recipe or {}).get("input") or {}).get("prompt")
    texts = [name, *tags, prompt or "", *(each for each in metadata.values() if isinstance(each, str | int | float))]
    text = " ".join(map(str, texts)).casefold()
    return " ".join(dict.fromkeys(each[:64] for each in _SEPARATORS.split(text) if each))
