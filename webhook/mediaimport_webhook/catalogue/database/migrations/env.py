"""Environment of Alembic: migrations run on the connection that `migrate` opened, in its transaction.

Alembic executes this file. Outside of it, `context` has no configuration, and an import does nothing.
"""

from __future__ import annotations

from alembic import context

from mediaimport_webhook.catalogue.database.schema import METADATA

if hasattr(context, "config"):
    context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
    context.run_migrations()
