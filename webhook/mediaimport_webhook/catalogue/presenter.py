"""Presenter: the JSON of responses, which is an entry's with its presigned URLs."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from mediaimport_webhook.catalogue.recipe import unpacked_recipe
from mediaimport_webhook.http.bodies import encoded

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_webhook.catalogue.entry import Entry
    from mediaimport_webhook.http import schemas
    from mediaimport_webhook.store import UrlSigner

_FOREVER = datetime.max.replace(tzinfo=UTC)
_MAX_KEPT = 1000
"""Assets, most of which take 2 KB; metadata and URLs of the longest take 12 KB."""


class _Encoded(NamedTuple):
    entry: Entry
    until: datetime
    json: bytes


@dataclass(frozen=True)
class Presenter:
    """Makes the JSON of responses. What lists have shown is kept: they show the same assets again and again."""

    signer: UrlSigner
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    max_kept: int = _MAX_KEPT
    _kept: OrderedDict[str, _Encoded] = field(default_factory=OrderedDict)

    async def present(self, entry: Entry, *, download: bool = False) -> schemas.Asset:
        """Return the asset's JSON; with `download` its URL saves the file under the asset's name."""
        asset, _ = await self._presented(entry, entry.json["name"] if download else "")
        return asset

    async def present_whole(self, entry: Entry, *, download: bool = False) -> schemas.Asset:
        """Return the asset's JSON with its recipe, which is too large for lists."""
        asset, recipe = await self.present(entry, download=download), unpacked_recipe(entry.packed_recipe)
        return asset if recipe is None else {**asset, "generation": recipe}

    async def encode(self, entry: Entry) -> bytes:
        """Return the asset's JSON as text, that of the time before while the entry and its URLs are the same."""
        kept = self._kept.get(entry.resource_name)
        if kept is not None and kept.entry is entry and self.clock() < kept.until:
            self._kept.move_to_end(entry.resource_name)
            return kept.json
        asset, until = await self._presented(entry)
        made = _Encoded(entry, until, encoded(asset))
        self._kept[entry.resource_name] = made
        self._kept.move_to_end(entry.resource_name)
        if len(self._kept) > self.max_kept:
            self._kept.popitem(last=False)
        return made.json

    async def _presented(self, entry: Entry, download_name: str = "") -> tuple[schemas.Asset, datetime]:
        """Return the asset's JSON, and until when its URLs are not renewed."""
        if entry.original_key is None:
            return entry.json, _FOREVER
        signer = self.signer
        original = signer.signed_before(entry.original_key, download_name=download_name) or await signer.url(
            entry.original_key, download_name=download_name
        )
        first_to_expire, until, thumbnail_url = original, original.renewed_at, None
        if entry.thumbnail_key is not None:
            thumbnail = signer.signed_before(entry.thumbnail_key) or await signer.url(entry.thumbnail_key)
            thumbnail_url, until = thumbnail.url, min(until, thumbnail.renewed_at)
            if thumbnail.expires_at < original.expires_at:
                first_to_expire = thumbnail
        asset: schemas.Asset = {
            **entry.json,
            "url": original.url,
            "thumbnail_url": thumbnail_url,
            "expires_at": first_to_expire.expires_at_text,
        }
        return asset, until
