"""First version: the table `media_assets`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the table and its indexes. It is as it was then: the schema of today may have more."""
    document = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    ordered = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "media_assets",
        sa.Column("id", ordered, nullable=False),
        sa.Column("user_id", ordered, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False, comment="uploading, ready, failed or deleted"),
        sa.Column("reason", sa.Text),
        sa.Column("file_type", sa.Text),
        sa.Column("tags", document, nullable=False),
        sa.Column("job_id", sa.Text, comment="the prediction"),
        sa.Column("provider", sa.Text),
        sa.Column("model", sa.Text),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.Text),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("completed_at", moment),
        sa.Column("file_metadata", document, nullable=False, comment="as the API shows it, with the user's own"),
        sa.Column("generation", document, comment="the recipe"),
        sa.Column("thumbnail_s3_key", sa.Text),
        sa.Column("s3_key", sa.Text),
        sa.Column("broken", sa.Text, comment="why the asset cannot be shown whole"),
        sa.Column("resource_name", ordered, nullable=False),
        sa.Column("resource_uid", sa.Text, nullable=False),
        sa.Column("resource_version", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "id", "resource_name"),
    )
    op.create_index("media_assets_of_user", "media_assets", ["user_id", "created_at", "id", "resource_name"])
    op.create_index("media_assets_by_time", "media_assets", ["created_at", "id", "resource_name"])
    op.create_index("media_assets_by_id", "media_assets", ["id"])
    op.create_index("media_assets_by_job", "media_assets", ["job_id"])
    op.create_index("media_assets_by_resource", "media_assets", ["resource_name"])
