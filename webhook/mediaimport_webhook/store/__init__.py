"""The webhook's side of the store, which it only reads: presigned URLs, and sidecars of assets without a resource."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_api.names import AssetKeys
    from mediaimport_api.sidecar import Sidecar, Tombstone


class StoreUnavailableError(Exception):
    """The store gave no answer that tells whether the object exists."""


@dataclass(frozen=True)
class SignedUrl:
    """URL that anybody may read until it expires."""

    url: str
    expires_at: datetime

    @cached_property
    def expires_at_text(self) -> str:
        """Return the time as responses have it. A URL is shown many times, so the text is kept."""
        return self.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ")


class UrlSigner(Protocol):
    """Signs URLs."""

    async def url(self, key: str, *, download_name: str = "") -> SignedUrl:
        """Return a presigned URL; with a name, one that a browser saves under it. StoreUnavailableError."""


class SidecarReader(Protocol):
    """Reads sidecars."""

    async def read(self, keys: AssetKeys) -> Sidecar | Tombstone | None:
        """Return the record of that user's asset, None if there is none; StoreUnavailableError."""
