"""How the original gets into the store: one try while it is fetched, then as many as it takes from the scratch file."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from mediaimport_importer.errors import ObjectExistsError, UnavailableError
from mediaimport_importer.spool import Reader
from mediaimport_importer.store import multipart
from mediaimport_importer.store.bucket import TRIES, Bucket, Head, Target, streams
from mediaimport_importer.store.existing import same, taken

if TYPE_CHECKING:
    from mediaimport_importer.content import Content
    from mediaimport_importer.spool import Spool

MAX_STREAM_BYTES = 5 * 1000**3
"""S3 takes no more in one PutObject."""


def upload(bucket: Bucket, target: Target, reader: Reader, *, size_bytes: int | None, max_bytes: int) -> str:
    """Store what the reader gives, once, by the way that fits; return its etag."""
    if size_bytes is not None and size_bytes <= MAX_STREAM_BYTES and streams(bucket.settings):
        return bucket.put_stream(target, reader, size_bytes=size_bytes)
    return multipart.upload(bucket, target, reader, expected_bytes=size_bytes or max_bytes)


def again(bucket: Bucket, target: Target, spool: Spool, content: Content, *, look: bool) -> str:
    """Store what is in the scratch file, checked and complete; return its etag.

    `look`: a former try may have come through, or met an object: see what is there first.
    """
    for left in reversed(range(TRIES)):
        found = bucket.head(target.key) if look else None
        if found is not None and same(found, content, read=lambda: bucket.sha256(target.key)):
            return found.etag
        aim = target if found is None else _replacing(target, found)
        look = True
        try:
            with closing(Reader(spool)) as reader:
                return upload(bucket, aim, reader, size_bytes=content.size_bytes, max_bytes=content.size_bytes)
        except ObjectExistsError:
            continue
        except UnavailableError:
            if not left:
                raise
    raise taken(target.key)


def _replacing(target: Target, found: Head) -> Target:
    """Aim at our own object of other content: a killed attempt left it, and the source serves something else now."""
    if found.mark != target.mark:
        raise taken(target.key)
    return replace(target, replaces=found.etag)
