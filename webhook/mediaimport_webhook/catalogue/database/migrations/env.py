"""Environment of Alembic: migrations run on the connection that `migrate` opened, in its transaction."""

from __future__ import annotations

from alembic import context

from mediaimport_webhook.catalogue.database.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
