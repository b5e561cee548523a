"""Removes one asset and leaves a tombstone in its sidecar's place. Can be repeated, and broken off at any point."""

from __future__ import annotations

import json
from enum import Enum
from typing import TYPE_CHECKING

from mediaimport_api.names import AssetKeys
from mediaimport_api.reasons import Reason
from mediaimport_api.sidecar import Sidecar, Tombstone, read_record
from pydantic import ValidationError

from mediaimport_importer.errors import ObjectExistsError, RefusedError
from mediaimport_importer.store.existing import MAX_SIDECAR_BYTES

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_api.task import Deletion

    from mediaimport_importer.store.bucket import Bucket


class Outcome(Enum):
    """How a deletion ends; the value is the sentence for people."""

    DELETED = "the stored objects are deleted"
    NOTHING_STORED = "nothing was stored; a tombstone keeps it so"
    DELETED_BEFORE = "the stored objects were deleted before"
    ANOTHERS = "what is stored there belongs to another resource; nothing was touched"


def erase(bucket: Bucket, deletion: Deletion, *, now: datetime) -> Outcome:
    """Delete the asset if its sidecar names this resource; AttemptError if the store does not do it."""
    keys = AssetKeys(user_id=deletion.user_id, asset_id=deletion.asset_id)
    body = bucket.read(keys.sidecar, max_bytes=MAX_SIDECAR_BYTES)
    if body is None:
        return _keep_free(bucket, keys, deletion, now=now)
    match _parse(body):
        case Tombstone():
            return Outcome.DELETED_BEFORE
        case Sidecar() as sidecar if _is_ours(sidecar, deletion, keys):
            # The sidecar is last: until then another try finds in it what there is to delete.
            for key in _objects(sidecar, keys):
                bucket.delete(key)
            _bury(bucket, keys, deletion, now=now, exclusive=False)
            return Outcome.DELETED
        case _:
            return Outcome.ANOTHERS


def _parse(body: bytes) -> Sidecar | Tombstone | None:
    try:
        return read_record(body)
    except ValidationError:
        return None


def _is_ours(sidecar: Sidecar, deletion: Deletion, keys: AssetKeys) -> bool:
    return sidecar.belongs_to(deletion.owner, deletion.source_fingerprint) and keys.is_original(sidecar.asset.key)


def _objects(sidecar: Sidecar, keys: AssetKeys) -> list[str]:
    return [sidecar.asset.key, keys.thumbnail]


def _keep_free(bucket: Bucket, keys: AssetKeys, deletion: Deletion, *, now: datetime) -> Outcome:
    """Leave a tombstone where nothing is stored: whoever finds the source again must not import it again."""
    try:
        _bury(bucket, keys, deletion, now=now, exclusive=True)
    except ObjectExistsError:
        raise RefusedError(
            Reason.STORE_DENIED, f"{keys.sidecar} is there but cannot be read: the access key needs s3:GetObject"
        ) from None
    return Outcome.NOTHING_STORED


def _bury(bucket: Bucket, keys: AssetKeys, deletion: Deletion, *, now: datetime, exclusive: bool) -> None:
    tombstone = Tombstone(owner=deletion.owner, source_fingerprint=deletion.source_fingerprint, deleted_at=now)
    body = json.dumps(tombstone.to_wire()).encode()
    bucket.put(keys.sidecar, body, content_type="application/json", exclusive=exclusive)
