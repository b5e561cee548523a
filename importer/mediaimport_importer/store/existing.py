"""What is under an asset's keys already, and whose it is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_api.reasons import Reason
from mediaimport_api.sidecar import Owner, Sidecar, Tombstone, read_record
from pydantic import ValidationError

from mediaimport_importer.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_api.names import AssetKeys

    from mediaimport_importer.content import Content
    from mediaimport_importer.store.bucket import Bucket, Head

MAX_SIDECAR_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class Existing:
    """Our own asset, and which of its objects are there as the sidecar says."""

    sidecar: Sidecar
    has_original: bool
    has_thumbnail: bool


def owner_mark(owner: Owner, fingerprint: str) -> str:
    """Return what marks an import's original before its sidecar is there; like that, it survives a reinstall."""
    return hashlib.sha256(f"{owner.namespace}\0{owner.name}\0{fingerprint}".encode()).hexdigest()


def taken(key: str) -> RefusedError:
    """Return the refusal to touch what is another's."""
    return RefusedError(
        Reason.ASSET_TAKEN,
        f"{key} is stored already and belongs to another import; nothing was touched, use another assetId",
    )


def deleted(key: str, tombstone: Tombstone) -> RefusedError:
    """Return the refusal to bring back what was deleted."""
    return RefusedError(
        Reason.ASSET_DELETED,
        f"{key} says that this asset was deleted on {tombstone.deleted_at:%Y-%m-%d}; use another assetId",
    )


def find(bucket: Bucket, keys: AssetKeys, *, owner: Owner, fingerprint: str) -> Existing | None:
    """Return the asset that a former attempt stored, None if there is none; AssetTaken, AssetDeleted."""
    body = bucket.read(keys.sidecar, max_bytes=MAX_SIDECAR_BYTES)
    if body is None:
        return None
    sidecar = _parse(body)
    if isinstance(sidecar, Tombstone):
        raise deleted(keys.sidecar, sidecar)
    if sidecar is None or not sidecar.belongs_to(owner, fingerprint) or not keys.is_original(sidecar.asset.key):
        raise taken(keys.sidecar)
    return Existing(sidecar, has_original=_has_original(bucket, sidecar), has_thumbnail=_has_thumbnail(bucket, sidecar))


def _parse(body: bytes) -> Sidecar | Tombstone | None:
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
    return sidecar.asset.etag in {None, original.etag}


def _has_thumbnail(bucket: Bucket, sidecar: Sidecar) -> bool:
    if sidecar.thumbnail is None:
        return True
    thumbnail = bucket.head(sidecar.thumbnail.key)
    return thumbnail is not None and thumbnail.size_bytes == sidecar.thumbnail.size_bytes


def same(head: Head, content: Content, *, read: Callable[[], str]) -> bool:
    """Tell whether a stored object has that content, by the best that the store knows of it; else `read` it."""
    if head.size_bytes != content.size_bytes:
        return False
    if head.sha256 is not None:
        return head.sha256 == content.sha256
    if head.crc64nvme is not None:
        return head.crc64nvme == content.crc64nvme()
    return read() == content.sha256
