"""One attempt's dealings with the store: what is there already, the original, and the commit."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_importer.errors import AlreadyStoredError, ObjectExistsError
from mediaimport_importer.store import existing, original
from mediaimport_importer.store.bucket import Bucket, Target, connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.response import StreamingBody
    from mediaimport_api.sidecar import Sidecar
    from mediaimport_runtime.store_settings import StoreSettings

    from mediaimport_importer.classify import Format
    from mediaimport_importer.content import Content
    from mediaimport_importer.spool import Reader, Spool
    from mediaimport_importer.store.place import Place

_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Session:
    """A bucket that was looked at. `repairs`: our own sidecar is there, but not all that it speaks of."""

    bucket: Bucket
    place: Place
    repairs: bool

    def target(self, form: Format) -> Target:
        """Return where an original of that format goes."""
        mark = existing.owner_mark(self.place.owner, self.place.fingerprint)
        key = self.place.keys.original(kind=form.kind.value, extension=form.extension)
        return Target(key=key, content_type=form.content_type, mark=mark)

    def follow(self, form: Format, reader: Reader, *, size_bytes: int | None, max_bytes: int) -> str:
        """Store the original while it arrives; return its etag."""
        return original.upload(self.bucket, self.target(form), reader, size_bytes=size_bytes, max_bytes=max_bytes)

    def again(self, form: Format, spool: Spool, content: Content, *, look: bool) -> str:
        """Store the original from the complete scratch file; return its etag."""
        return original.again(self.bucket, self.target(form), spool, content, look=look)

    def put_thumbnail(self, jpeg: bytes) -> None:
        """Store the thumbnail, over a former one."""
        self.bucket.put(self.place.keys.thumbnail, jpeg, content_type="image/jpeg", exclusive=False)

    def commit(self, sidecar: Sidecar, body: bytes) -> Sidecar:
        """Store the sidecar, the commit mark; return it, or the one that a twin of this attempt has stored."""
        key = self.place.keys.sidecar
        try:
            self.bucket.put(key, body, content_type="application/json", exclusive=not self.repairs)
        except ObjectExistsError:
            found = existing.find(
                self.bucket, self.place.keys, owner=self.place.owner, fingerprint=self.place.fingerprint
            )
            if found is None or found.sidecar.asset.sha256 != sidecar.asset.sha256:
                raise existing.taken(key) from None
            return found.sidecar
        return sidecar


def open_session(settings: StoreSettings, place: Place) -> Session:
    """Connect and look what is there; AlreadyStoredError if the original is, AssetTaken if it is another's."""
    bucket = connect(settings)
    found = existing.find(bucket, place.keys, owner=place.owner, fingerprint=place.fingerprint)
    if found is not None and found.has_original:
        raise AlreadyStoredError(found.sidecar, has_thumbnail=found.has_thumbnail)
    return Session(bucket, place, repairs=found is not None)


@contextmanager
def stored(settings: StoreSettings, key: str) -> Iterator[StoredSource]:
    """Yield an object of the store as a source."""
    bucket = connect(settings)
    body = bucket.repeated(lambda: bucket.client.get_object(Bucket=bucket.name, Key=key))
    with closing(body["Body"]) as stream:
        yield StoredSource(bucket, stream, size_bytes=body["ContentLength"])


@dataclass
class StoredSource:
    """An object's bytes, read once."""

    bucket: Bucket
    stream: StreamingBody
    size_bytes: int | None

    def pieces(self) -> Iterator[bytes]:
        """Yield them."""
        while piece := self.bucket.once(lambda: self.stream.read(_PIECE_BYTES)):
            yield piece
