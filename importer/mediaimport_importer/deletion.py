"""The deletion Job of `deletionPolicy: Delete`: `python -m mediaimport_importer.deletion`.

It deletes one asset, described by MEDIAIMPORT_DELETION, and puts a tombstone in the place of its sidecar. It can be
interrupted at any point, and repeated.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING

from mediaimport_api.names import AssetKeys
from mediaimport_api.reasons import Reason
from mediaimport_api.sidecar import Sidecar, Tombstone
from mediaimport_api.task import DELETION_VARIABLE, Deletion
from mediaimport_runtime.environment import BadSettingError, Environment
from mediaimport_runtime.store_settings import StoreSettings
from pydantic import ValidationError

from mediaimport_importer.errors import AttemptError, ObjectExistsError, RefusedError
from mediaimport_importer.report import Report
from mediaimport_importer.settings import termination_log
from mediaimport_importer.store.asset import MAX_SIDECAR_BYTES, Location, parse_record
from mediaimport_importer.store.bucket import Bucket, connect

if TYPE_CHECKING:
    from pathlib import Path


class Outcome(Enum):
    """The end of a deletion; the value is its message."""

    DELETED = "the stored objects are deleted"
    NOTHING_STORED = "nothing was stored; a tombstone prevents a later import"
    ALREADY_DELETED = "the stored objects were deleted before"
    NOT_OWNED = "the stored objects belong to another resource; nothing was deleted"


def main() -> int:
    """Delete, and report the outcome in the log and in the termination message; return the exit code."""
    env, report = Environment(os.environ), Report(sys.stdout)
    try:
        message = delete_asset(connect(StoreSettings.read(env)), _deletion(env), now=datetime.now(UTC)).value
    except (AttemptError, BadSettingError) as error:
        message = error.public_message if isinstance(error, AttemptError) else str(error)
        report.say(message, level="error")
        _write_termination_message(termination_log(env), message)
        return 1
    report.say(message)
    _write_termination_message(termination_log(env), message)
    return 0


def _deletion(env: Environment) -> Deletion:
    try:
        return Deletion.model_validate_json(env.text(DELETION_VARIABLE))
    except ValidationError:
        raise BadSettingError(
            f"{DELETION_VARIABLE} is not a deletion of this version; use operator and importer of one release"
        ) from None


def _write_termination_message(file: Path, message: str) -> None:
    try:
        file.write_text(message[:512])
    except OSError as error:
        print(f"{file}: {error.strerror}", file=sys.stderr)  # noqa: T201 - there is no other place left


def delete_asset(bucket: Bucket, deletion: Deletion, *, now: datetime) -> Outcome:
    """Delete the asset if its sidecar names this resource; AttemptError if the store fails."""
    keys = AssetKeys(user_id=deletion.user_id, asset_id=deletion.asset_id)
    location = Location(keys, deletion.owner, deletion.source_fingerprint)
    body = bucket.read(keys.sidecar, max_bytes=MAX_SIDECAR_BYTES)
    if body is None:
        return _prevent_import(bucket, location, now=now)
    match parse_record(body):
        case Tombstone():
            return Outcome.ALREADY_DELETED
        case Sidecar() as sidecar if location.owns(sidecar):
            # The sidecar is last: until then a repeated deletion reads from it what to delete.
            for key in (sidecar.asset.key, keys.thumbnail):
                bucket.delete(key)
            _write_tombstone(bucket, location, now=now, exclusive=False)
            return Outcome.DELETED
        case _:
            return Outcome.NOT_OWNED


def _prevent_import(bucket: Bucket, location: Location, *, now: datetime) -> Outcome:
    """Write a tombstone where nothing is stored: a recreated resource must not import the source again."""
    try:
        _write_tombstone(bucket, location, now=now, exclusive=True)
    except ObjectExistsError:
        raise RefusedError(
            Reason.STORE_DENIED,
            f"{location.keys.sidecar} exists but cannot be read: the access key needs s3:GetObject",
        ) from None
    return Outcome.NOTHING_STORED


def _write_tombstone(bucket: Bucket, location: Location, *, now: datetime, exclusive: bool) -> None:
    tombstone = Tombstone(owner=location.owner, source_fingerprint=location.fingerprint, deleted_at=now)
    body = json.dumps(tombstone.to_wire()).encode()
    bucket.put(location.keys.sidecar, body, content_type="application/json", exclusive=exclusive)


if __name__ == "__main__":
    sys.exit(main())
