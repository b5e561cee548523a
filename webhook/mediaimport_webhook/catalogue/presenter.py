"""Presenter: the JSON of responses, which is an entry's with its presigned URLs."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from mediaimport_webhook.catalogue.recipe import unpacked_recipe
from mediaimport_webhook.http.bodies import encoded
from mediaimport_webhook.http.conditional import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mediaimport_webhook.catalogue.entry import Entry
    from mediaimport_webhook.http import schemas
    from mediaimport_webhook.store import UrlSigner

_FOREVER = datetime.max.replace(tzinfo=UTC)
_MAX_KEPT = 1000
"""Assets, most of which take 2 KB; metadata and URLs of the longest take 12 KB."""


class Encoded(NamedTuple):
    """An asset's JSON as text, and its digest."""

    entry: Entry
    until: datetime
    json: bytes
    digest: bytes


@dataclass(frozen=True)
class Presenter:
    """Makes the JSON of responses. What lists have shown is kept: they show the same assets again and again."""

    signer: UrlSigner
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    max_kept: int = _MAX_KEPT
    _kept: OrderedDict[str, Encoded] = field(default_factory=OrderedDict)

    async def present(self, entry: Entry, *, download: bool = False) -> schemas.Asset:
        """Return the asset's JSON; with `download` its URL saves the file under the asset's name."""
        asset, _ = await self._presented(entry, entry.json["name"] if download else "")
        return asset

    async def present_whole(self, entry: Entry, *, download: bool = False) -> schemas.Asset:
        """Return the asset's JSON with its recipe, which is too large for lists."""
        asset, recipe = await self.present(entry, download=download), unpacked_recipe(entry.packed_recipe)
        return asset if recipe is None else {**asset, "generation": recipe}

    async def encode(self, entries: Iterable[Entry]) -> list[Encoded]:
        """Return the assets' JSON as text, each that of the time before while the entry and its URLs are the same."""
        now = self.clock()
        return [self._kept_of(each, now) or await self._encoded(each) for each in entries]

    def _kept_of(self, entry: Entry, now: datetime) -> Encoded | None:
        kept = self._kept.get(entry.resource_name)
        if kept is None or kept.entry is not entry or now >= kept.until:
            return None
        self._kept.move_to_end(entry.resource_name)
        return kept

    async def _encoded(self, entry: Entry) -> Encoded:
        asset, until = await self._presented(entry)
        json = encoded(asset)
        made = Encoded(entry, until, json, digest_of(json))
        self._kept[entry.resource_name] = made
        self._kept.move_to_end(entry.resource_name)
        if len(self._kept) > self.max_kept:
            self._kept.popitem(last=False)
        return made

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
