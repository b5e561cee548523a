"""An entry as it is answered: its document with the URLs signed now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_webhook.catalogue.entry import Entry
    from mediaimport_webhook.http.schemas import Asset
    from mediaimport_webhook.store.presign import SignedUrl


class UrlSigner(Protocol):
    """Who signs."""

    async def url(self, key: str, *, download_name: str = "") -> SignedUrl:
        """Return a presigned URL; with a name, one that a browser saves under it."""


@dataclass(frozen=True)
class Presenter:
    """Fills in what depends on the moment."""

    signer: UrlSigner

    async def present(self, entry: Entry, *, download: bool = False) -> Asset:
        """Return the asset's JSON; `download`: its URL saves the file under the asset's name."""
        if entry.original_key is None:
            return entry.document
        name = entry.document["name"] if download else ""
        first = original = await self.signer.url(entry.original_key, download_name=name)
        thumbnail_url = None
        if entry.thumbnail_key is not None:
            thumbnail = await self.signer.url(entry.thumbnail_key)
            first, thumbnail_url = min(original, thumbnail, key=_end), thumbnail.url
        return {
            **entry.document,
            "url": original.url,
            "thumbnail_url": thumbnail_url,
            "expires_at": first.expires_at_text,
        }


def _end(signed: SignedUrl) -> datetime:
    return signed.expires_at
