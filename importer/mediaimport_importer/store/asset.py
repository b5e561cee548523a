"""One asset in the store: what exists under its keys, the upload of its original, the commit of its sidecar."""

from __future__ import annotations

import hashlib
import time
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mediaimport_api.names import AssetKeys
from mediaimport_api.reasons import Reason
from mediaimport_api.sidecar import Owner, Sidecar, Tombstone, read_record, source_fingerprint
from pydantic import ValidationError

from mediaimport_importer.errors import (
    AlreadyStoredError,
    AttemptError,
    ObjectExistsError,
    RefusedError,
    UnavailableError,
)
from mediaimport_importer.spool import Content, Reader, Spool, corrupted
from mediaimport_importer.store import multipart
from mediaimport_importer.store.bucket import TRIES, Bucket, Stored, Target, can_stream, connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_api.task import Task
    from mediaimport_runtime.store_settings import StoreSettings

    from mediaimport_importer.media.formats import Format

MAX_SIDECAR_BYTES = 8 * 1024 * 1024
MAX_PUT_BYTES = 5 * 1000**3
"""S3's limit for one PutObject: https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html."""


@dataclass(frozen=True)
class Location:
    """The keys of one asset, the import that owns them, and the fingerprint of its source."""

    keys: AssetKeys
    owner: Owner
    fingerprint: str

    @classmethod
    def of(cls, task: Task) -> Location:
        """Return the location of a task's asset."""
        keys = AssetKeys(user_id=task.spec.user_id, asset_id=task.asset_id)
        return cls(keys, task.owner, source_fingerprint(task.spec.source.location))

    @property
    def mark(self) -> str:
        """Return the metadata that marks original and thumbnail as this import's before its sidecar exists.

        It has no uid, so that it survives a reinstall.
        """
        parts = (self.owner.namespace, self.owner.name, self.fingerprint)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def owns(self, sidecar: Sidecar) -> bool:
        """Tell whether a sidecar under these keys is this import's own."""
        return sidecar.belongs_to(self.owner, self.fingerprint) and self.keys.is_original(sidecar.asset.key)


# --- the objects that exist -----------------------------------------------------


@dataclass(frozen=True)
class Existing:
    """This import's own asset, and which of its objects exist as the sidecar describes them."""

    sidecar: Sidecar
    has_original: bool
    has_thumbnail: bool


def find(bucket: Bucket, location: Location) -> Existing | None:
    """Return the asset that an earlier attempt stored, None if there is none; AssetTaken, AssetDeleted."""
    key = location.keys.sidecar
    body = bucket.read(key, max_bytes=MAX_SIDECAR_BYTES)
    if body is None:
        return None
    sidecar = parse_record(body)
    if isinstance(sidecar, Tombstone):
        raise _deleted(key, sidecar)
    if sidecar is None or not location.owns(sidecar):
        raise _taken(key)
    return Existing(sidecar, has_original=_has_original(bucket, sidecar), has_thumbnail=_has_thumbnail(bucket, sidecar))


def parse_record(body: bytes) -> Sidecar | Tombstone | None:
    """Return the sidecar or tombstone in an object's body, None if it is neither."""
    try:
        return read_record(body)
    except ValidationError:
        return None


def _has_original(bucket: Bucket, sidecar: Sidecar) -> bool:
    original = bucket.head(sidecar.asset.key)
    if original is None or original.size_bytes != sidecar.asset.size_bytes:
        return False
    if original.sha256 is not None:
        return original.sha256 == sidecar.asset.sha256
    if sidecar.asset.etag is None:
        return bucket.sha256(sidecar.asset.key) == sidecar.asset.sha256
    return sidecar.asset.etag == original.etag


def _has_thumbnail(bucket: Bucket, sidecar: Sidecar) -> bool:
    if sidecar.thumbnail is None:
        return True
    thumbnail = bucket.head(sidecar.thumbnail.key)
    return thumbnail is not None and thumbnail.size_bytes == sidecar.thumbnail.size_bytes


def _taken(key: str) -> RefusedError:
    return RefusedError(
        Reason.ASSET_TAKEN,
        f"{key} exists already and belongs to another import; it was not changed, use another assetId",
    )


def _deleted(key: str, tombstone: Tombstone) -> RefusedError:
    return RefusedError(
        Reason.ASSET_DELETED,
        f"{key} says that this asset was deleted on {tombstone.deleted_at:%Y-%m-%d}; use another assetId",
    )


# --- one attempt's session ------------------------------------------------------


def open_session(settings: StoreSettings, task: Task, *, sleep: Callable[[float], None] = time.sleep) -> Session:
    """Connect and read what exists; AlreadyStoredError if the original does, AssetTaken if it is another import's."""
    bucket, location = connect(settings, sleep=sleep), Location.of(task)
    found = find(bucket, location)
    if found is not None and found.has_original:
        raise AlreadyStoredError(found.sidecar, has_thumbnail=found.has_thumbnail)
    return Session(bucket, location, repairs=found is not None)


@dataclass(frozen=True)
class Session:
    """One attempt's writes. `repairs`: this import's sidecar exists, but its original is missing."""

    bucket: Bucket
    location: Location
    repairs: bool

    def target(self, media_format: Format) -> Target:
        """Return the target of an original in that format."""
        key = self.location.keys.original(kind=media_format.kind.value, extension=media_format.extension)
        return Target(key=key, content_type=media_format.content_type, mark=self.location.mark)

    def upload(self, media_format: Format, reader: Reader, *, size_bytes: int | None, max_bytes: int) -> Stored:
        """Store the original while it arrives, once."""
        return _upload(self.bucket, self.target(media_format), reader, size_bytes=size_bytes, max_bytes=max_bytes)

    def verified(self, media_format: Format, stored: Stored, content: Content) -> Stored:
        """Return the stored original as the store vouches for it; Corrupted if it is not what was received."""
        found = stored if stored.has_checksum else self.bucket.head(self.target(media_format).key) or stored
        if not found.is_same(content):
            raise corrupted("the store has other bytes than the source has sent")
        return found

    def reupload(self, media_format: Format, spool: Spool, content: Content, *, check_first: bool) -> Stored:
        """Store the original from the complete scratch file, and verify it.

        `check_first`: an earlier upload may have succeeded, or met an object: read what exists first.
        """
        target = self.target(media_format)
        for tries_left in reversed(range(TRIES)):
            found = self.bucket.head(target.key) if check_first else None
            if found is not None and _same(found, content, read=lambda: self.bucket.sha256(target.key)):
                return replace(found, sha256=content.sha256)
            current = target if found is None else _replacing(target, found)
            check_first = True
            size = content.size_bytes
            try:
                with closing(Reader(spool)) as reader:
                    stored = _upload(self.bucket, current, reader, size_bytes=size, max_bytes=size)
                return self.verified(media_format, stored, content)
            except ObjectExistsError:
                continue
            except UnavailableError:
                if not tries_left:
                    raise
        raise _taken(target.key)

    def put_thumbnail(self, jpeg: bytes) -> None:
        """Store the thumbnail, over an earlier one."""
        put_thumbnail(self.bucket, self.location, jpeg)

    def commit(self, sidecar: Sidecar, body: bytes) -> Sidecar:
        """Store the sidecar, which commits the import; return it, or the one that a duplicate attempt has stored."""
        key = self.location.keys.sidecar
        try:
            self.bucket.put(key, body, content_type="application/json", exclusive=not self.repairs)
        except ObjectExistsError:
            found = find(self.bucket, self.location)
            if found is None or found.sidecar.asset.sha256 != sidecar.asset.sha256:
                raise _taken(key) from None
            return found.sidecar
        return sidecar


def put_thumbnail(bucket: Bucket, location: Location, jpeg: bytes) -> None:
    """Store an asset's thumbnail, over an earlier one."""
    key, mark = location.keys.thumbnail, location.mark
    bucket.put(key, jpeg, content_type="image/jpeg", exclusive=False, mark=mark)


def _upload(bucket: Bucket, target: Target, reader: Reader, *, size_bytes: int | None, max_bytes: int) -> Stored:
    """Store the reader's bytes, once, by a streaming PUT or a multipart upload."""
    try:
        if size_bytes is not None and size_bytes <= MAX_PUT_BYTES and can_stream(bucket.settings):
            return bucket.put_stream(target, reader, size_bytes=size_bytes)
        return multipart.upload(bucket, target, reader, expected_bytes=size_bytes or max_bytes)
    except UnavailableError:
        reader.raise_corruption()
        raise


def _replacing(target: Target, found: Stored) -> Target:
    """Return the target that replaces this import's own object: a killed attempt left it, and the source changed."""
    if found.mark != target.mark:
        raise _taken(target.key)
    return replace(target, replaces=found.etag)


def _same(found: Stored, content: Content, *, read: Callable[[], str]) -> bool:
    """Tell whether a stored object has that content, by the store's checksums or else by `read`."""
    return found.is_same(content) and (found.has_checksum or read() == content.sha256)


def honours_conditions(settings: StoreSettings, sidecar_key: str) -> bool | None:
    """Return whether the store honours If-None-Match, None if that cannot be found out.

    The test writes a sidecar over itself, which does no harm where it succeeds.
    """
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
