"""Third version: PostgreSQL's index of words has each asset's owner, too."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Build the index anew."""
    if op.get_bind().dialect.name == "postgresql":
        vector = "array_to_tsvector(array_append(string_to_array(search_words, ' '), '@' || left(user_id, 200)))"
        op.execute("DROP INDEX media_assets_by_word")
        op.execute(f"CREATE INDEX media_assets_by_word ON media_assets USING gin ({vector})")
