"""Whether the store keeps its promise: a write on the condition that nothing is there spares what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaimport_importer.errors import AttemptError, ObjectExistsError
from mediaimport_importer.store.bucket import connect
from mediaimport_importer.store.existing import MAX_SIDECAR_BYTES

if TYPE_CHECKING:
    from mediaimport_runtime.store_settings import StoreSettings


def honours_conditions(settings: StoreSettings, sidecar_key: str) -> bool | None:
    """Try to write a sidecar over itself, which harms nothing where it succeeds; None if it cannot be told."""
    if not settings.conditional_writes:
        return None
    bucket = connect(settings)
    try:
        body = bucket.read(sidecar_key, max_bytes=MAX_SIDECAR_BYTES)
        if not body or len(body) == MAX_SIDECAR_BYTES:
            return None
        bucket.put(sidecar_key, body, content_type="application/json", exclusive=True)
    except ObjectExistsError:
        return True
    except AttemptError:
        return None
    return False
