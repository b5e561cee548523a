"""Fifth version: whether the end of a row's resource was seen, and an index of the rows where it was not."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column and the index. Of all rows that there are the end may have been missed."""
    comment = "whether the resource was seen to go, or its asset's record was read since"
    column = sa.Column("resource_gone", sa.Boolean, nullable=False, server_default=sa.false(), comment=comment)
    op.add_column("media_assets", column)
    condition = sa.text("NOT resource_gone AND status <> 'uploading'")
    op.create_index(
        "media_assets_with_resource",
        "media_assets",
        ["user_id", "id", "resource_name"],
        postgresql_where=condition,
        sqlite_where=condition,
    )
