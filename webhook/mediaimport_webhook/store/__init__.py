"""The webhook's side of the store: presigned URLs, sidecars of assets without a resource, overlays, and `incoming/`.

It writes nothing but objects below `incoming/`, which wait there for their import, and the overlays of edited assets.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mediaimport_api.names import AssetKeys
    from mediaimport_api.overlay import Overlay
    from mediaimport_api.sidecar import Sidecar, Tombstone


_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class StoreUnavailableError(Exception):
    """The store gave no answer that tells whether the object exists."""


@dataclass(frozen=True, slots=True)
class SignedUrl:
    """URL that anybody may read until it expires, in parts: thousands that are kept have their query in common."""

    address: str
    expires_at: datetime
    query: str = ""
    signature: bytes = b""
    renewed_at: datetime = _LONG_AGO
    """Time from which on another one is signed in its place; in the past of one that is not used again."""

    @classmethod
    def of(cls, url: str, expires_at: datetime) -> SignedUrl:
        """Take apart a URL that ends with the hexadecimal digits of its signature."""
        address, mark, rest = url.partition("?")
        query, equals, signature = rest.rpartition("=")
        return cls(address, expires_at, f"{mark}{query}{equals}", bytes.fromhex(signature))

    @property
    def url(self) -> str:
        """Return it whole."""
        return f"{self.address}{self.query}{self.signature.hex()}"

    @property
    def expires_at_text(self) -> str:
        """Return the time as responses have it."""
        return _shown(self.expires_at)


@lru_cache(maxsize=4096)
def _shown(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class UrlSigner(Protocol):
    """Signs URLs."""

    def signed_before(self, key: str, *, download_name: str = "") -> SignedUrl | None:
        """Return the URL that `url` would return, if it need not sign: most reads then await nothing."""

    async def url(self, key: str, *, download_name: str = "") -> SignedUrl:
        """Return a presigned URL; with a name, one that a browser saves under it. StoreUnavailableError."""


class SidecarReader(Protocol):
    """Reads sidecars."""

    async def read(self, keys: AssetKeys) -> Sidecar | Tombstone | None:
        """Return the record of that user's asset, None if there is none; StoreUnavailableError."""

    async def overlay(self, keys: AssetKeys) -> Overlay | None:
        """Return the overlay of that user's asset, None if there is none; StoreUnavailableError."""


class OverlayChangedError(Exception):
    """Somebody else has written the overlay since it was read."""


@dataclass(frozen=True)
class StoredOverlay:
    """Content of an overlay's key: no overlay if it cannot be read, and no `etag` if there is no object."""

    overlay: Overlay | None
    etag: str


class OverlayStore(Protocol):
    """Overlays, for those who edit them."""

    async def read(self, keys: AssetKeys) -> StoredOverlay:
        """Return what is stored; StoreUnavailableError."""

    async def write(self, keys: AssetKeys, overlay: Overlay, *, replaces: StoredOverlay) -> None:
        """Store an overlay in the place of what was read; StoreUnavailableError, OverlayChangedError."""

    async def clear(self, keys: AssetKeys) -> None:
        """Store an empty object over the overlay; StoreUnavailableError."""


class Waiting(Protocol):
    """Content of an object that waits for its import. Its pieces can be made more than once."""

    @property
    def size_bytes(self) -> int:
        """Return its size."""

    @property
    def sha256(self) -> str:
        """Return its SHA-256 in hex."""

    def pieces(self) -> Iterator[bytes]:
        """Yield it in pieces of bounded size."""


@dataclass(frozen=True)
class SignedUpload:
    """Presigned PUT, and the headers that it needs."""

    url: SignedUrl
    headers: Mapping[str, str]


class IncomingStore(Protocol):
    """Objects below `incoming/`."""

    async def put(self, key: str, content: Waiting) -> None:
        """Store an object, over an earlier one of that key; StoreUnavailableError."""

    async def exists(self, key: str) -> bool | None:
        """Tell whether an object exists, None if the store does not say; StoreUnavailableError."""

    async def sign_upload(self, key: str, *, content_type: str, size_bytes: int, sha256: str | None) -> SignedUpload:
        """Return a presigned PUT for an object of that size and checksum alone; StoreUnavailableError."""
