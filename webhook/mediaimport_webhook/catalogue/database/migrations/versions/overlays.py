"""Fourth version: the number of the newest edit of an asset."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column."""
    comment = "number of the newest edit, 0 for none"
    column = sa.Column("overlay_revision", sa.Integer, nullable=False, server_default="0", comment=comment)
    op.add_column("media_assets", column)
