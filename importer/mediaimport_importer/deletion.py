"""The cleanup Job of `deletionPolicy: Delete`: `python -m mediaimport_importer.deletion`.

It deletes one asset, described by MEDIAIMPORT_DELETION, and puts a tombstone in the place of its sidecar. It asks for
every name that an import may write, since an attempt that was killed leaves objects without a sidecar; the owner's mark
says whose they are. The webhook's overlay goes with them. It can be interrupted at any point, and repeated: the
tombstone is last.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING

from mediaimport_api.names import AssetKeys
from mediaimport_api.reasons import Reason
from mediaimport_api.sidecar import Sidecar, Tombstone
from mediaimport_api.status import Kind
from mediaimport_api.task import DELETION_VARIABLE, Deletion
from mediaimport_runtime.environment import BadSettingError, Environment
from mediaimport_runtime.store_settings import StoreSettings
from pydantic import ValidationError

from mediaimport_importer.errors import AttemptError, ObjectExistsError, RefusedError
from mediaimport_importer.media.formats import ANIMATED, stored_formats
from mediaimport_importer.report import Report
from mediaimport_importer.settings import termination_log
from mediaimport_importer.store import multipart
from mediaimport_importer.store.asset import MAX_SIDECAR_BYTES, Location, parse_record
from mediaimport_importer.store.bucket import Bucket, connect

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Outcome(Enum):
    """The end of a deletion; the value begins its message."""

    DELETED = "the stored objects are deleted"
    UNFINISHED_DELETED = "what an unfinished import had stored is deleted; a tombstone prevents a later import"
    NOTHING_STORED = "nothing was stored; a tombstone prevents a later import"
    ALREADY_DELETED = "the stored objects were deleted before"
    NOT_OWNED = "the stored objects belong to another resource"


@dataclass(frozen=True)
class Deleted:
    """A deletion that has ended: the names of the objects that it deleted, and of those that remain."""

    outcome: Outcome
    names: tuple[str, ...] = ()
    aborted_uploads: int = 0
    remaining: tuple[str, ...] = ()
    unlisted: bool = False
    """True if the store does not list unfinished uploads."""

    @property
    def message(self) -> str:
        """Return the message for the log and for the operator."""
        parts = [self.outcome.value]
        if self.names or self.aborted_uploads:
            uploads = [f"{self.aborted_uploads} unfinished uploads"] if self.aborted_uploads else []
            parts.append(f"deleted: {', '.join([*self.names, *uploads])}")
        if self.remaining:
            parts.append(f"remaining, of another resource: {', '.join(self.remaining)}")
        if self.unlisted:
            parts.append(
                "unfinished uploads could not be listed (s3:ListBucketMultipartUploads); a lifecycle rule removes them"
            )
        return "; ".join(parts)


def main() -> int:
    """Delete, and report the outcome in the log and in the termination message; return the exit code."""
    env, report = Environment(os.environ), Report(sys.stdout)
    try:
        message = delete_asset(connect(StoreSettings.read(env)), _deletion(env), now=datetime.now(UTC)).message
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


def delete_asset(bucket: Bucket, deletion: Deletion, *, now: datetime) -> Deleted:
    """Delete what this resource has stored; AttemptError, which names what remains, if the store fails."""
    keys = AssetKeys(user_id=deletion.user_id, asset_id=deletion.asset_id)
    location = Location(keys, deletion.owner, deletion.source_fingerprint)
    body = bucket.read(keys.sidecar, max_bytes=MAX_SIDECAR_BYTES)
    record = None if body is None else parse_record(body)
    owned = isinstance(record, Sidecar) and location.owns(record)
    foreign_record = body is not None and not owned and not isinstance(record, Tombstone)
    found = _find(bucket, location, record if isinstance(record, Sidecar) else None, owned=owned)
    may_write = not found.foreign and not foreign_record
    if (owned or may_write) and bucket.head(keys.overlay) is not None:
        # It has no mark of its owner: it belongs to the asset, whose sidecar or tombstone says whose that is.
        found = replace(found, own=(keys.overlay, *found.own))
    aborted, unlisted = _abort_uploads(bucket, keys.prefix) if may_write else (0, False)
    _delete_all(bucket, location, found.own)
    if owned:
        # The sidecar is last: until then a repeated deletion reads from it what to delete.
        _write_tombstone(bucket, location, now=now, exclusive=False)
    elif body is None and may_write:
        _prevent_import(bucket, location, now=now)
    return Deleted(
        _outcome(record, owned=owned, may_write=may_write, unfinished=bool(found.own or aborted)),
        names=_names(location, found.own),
        aborted_uploads=aborted,
        remaining=_names(location, found.foreign),
        unlisted=unlisted,
    )


def _outcome(record: Sidecar | Tombstone | None, *, owned: bool, may_write: bool, unfinished: bool) -> Outcome:
    if owned:
        return Outcome.DELETED
    if not may_write:
        return Outcome.NOT_OWNED
    if isinstance(record, Tombstone):
        return Outcome.ALREADY_DELETED
    return Outcome.UNFINISHED_DELETED if unfinished else Outcome.NOTHING_STORED


@dataclass(frozen=True)
class _Found:
    """Keys of objects under the asset's prefix: this resource's own, and others."""

    own: tuple[str, ...]
    foreign: tuple[str, ...]


_EARLIER = {(Kind.VIDEO, extension) for extension in ANIMATED}
"""Kinds and extensions of originals that importers before this one wrote: a picture that moves was a video."""


def _find(bucket: Bucket, location: Location, sidecar: Sidecar | None, *, owned: bool) -> _Found:
    """Ask for every name that an import may write: a policy without s3:ListBucket is enough for that."""
    keys = location.keys
    described = {keys.thumbnail} | ({sidecar.asset.key} if sidecar else set())
    written = {(each.kind, each.extension) for each in stored_formats()} | _EARLIER
    names = [keys.original(kind=kind.value, extension=extension) for kind, extension in written]
    own: list[str] = []
    foreign: list[str] = []
    for key in sorted({*names, *described}):
        stored = bucket.head(key)
        if stored is None:
            continue
        mine = owned if sidecar is not None and key in described else stored.mark == location.mark
        (own if mine else foreign).append(key)
    return _Found(tuple(own), tuple(foreign))


def _abort_uploads(bucket: Bucket, prefix: str) -> tuple[int, bool]:
    """Abort the multipart uploads of killed attempts; return their number, and True if the store lists none."""
    try:
        uploads = multipart.unfinished(bucket, prefix=prefix)
    except RefusedError:
        return 0, True
    for key, upload_id in uploads:
        multipart.abort(bucket, key=key, upload_id=upload_id)
    return len(uploads), False


def _delete_all(bucket: Bucket, location: Location, keys: Sequence[str]) -> None:
    """Delete all objects that can be deleted; AttemptError names the others."""
    failures: dict[str, AttemptError] = {}
    for key in keys:
        try:
            bucket.delete(key)
        except AttemptError as error:
            failures[key] = error
    if failures:
        first = next(iter(failures.values()))
        remaining = ", ".join(_names(location, tuple(failures)))
        raise AttemptError(first.reason, f"under {location.keys.prefix} remain {remaining}: {first}") from first


def _names(location: Location, keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(key.removeprefix(location.keys.prefix) for key in keys)


def _prevent_import(bucket: Bucket, location: Location, *, now: datetime) -> None:
    """Write a tombstone where no sidecar is: a recreated resource must not import the source again."""
    key = location.keys.sidecar
    try:
        _write_tombstone(bucket, location, now=now, exclusive=True)
    except ObjectExistsError:
        raise _unreadable(key) from None
    if bucket.head(key) is None:
        # Without read access, a store answers for every other object, too, as if it were not there.
        raise _unreadable(key)


def _unreadable(key: str) -> RefusedError:
    return RefusedError(Reason.STORE_DENIED, f"{key} exists but cannot be read: the access key needs s3:GetObject")


def _write_tombstone(bucket: Bucket, location: Location, *, now: datetime, exclusive: bool) -> None:
    tombstone = Tombstone(owner=location.owner, source_fingerprint=location.fingerprint, deleted_at=now)
    body = json.dumps(tombstone.to_wire()).encode()
    bucket.put(location.keys.sidecar, body, content_type="application/json", exclusive=exclusive)


if __name__ == "__main__":
    sys.exit(main())
