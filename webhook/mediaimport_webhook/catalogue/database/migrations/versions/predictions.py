"""Sixth version: how many outputs an asset's prediction has, and its state in the generator's own word."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the columns. Of rows that there are nobody knows."""
    comment = "outputs of the prediction, 0: unknown"
    column = sa.Column("outputs_expected", sa.Integer, nullable=False, server_default="0", comment=comment)
    op.add_column("media_assets", column)
    state = sa.Column("provider_status", sa.Text, comment="the generator's word for the prediction's state")
    op.add_column("media_assets", state)
