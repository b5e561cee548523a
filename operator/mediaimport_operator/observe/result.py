"""Which result an attempt may have: only one about the very object that its spec leads to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from mediaimport_api.names import AssetKeys
from mediaimport_api.result import MAX_RESULT_BYTES, Result

if TYPE_CHECKING:
    from mediaimport_api.status import Asset, Thumbnail


@dataclass(frozen=True)
class Expectation:
    """Where this import's asset belongs."""

    bucket: str
    user_id: str
    asset_id: str

    def result(self, message: str | None, exit_code: int) -> Result | None:
        """Return the result in a termination message; None unless it is valid, fits the exit code and our asset."""
        encoded = (message or "").encode(errors="replace")
        result = Result.decode(encoded) if len(encoded) <= MAX_RESULT_BYTES else None
        if result is None or result.reason.facts.exit_code != exit_code:
            return None
        if result.asset is not None and not self._is_ours(result.asset):
            return None
        thumbnail = result.thumbnail.thumbnail if result.thumbnail else None
        return result if thumbnail is None or self._is_our_thumbnail(thumbnail) else None

    @property
    def _keys(self) -> AssetKeys:
        return AssetKeys(user_id=self.user_id, asset_id=self.asset_id)

    def _is_ours(self, asset: Asset) -> bool:
        same = asset.bucket == self.bucket and asset.id == UUID(self.asset_id)
        named = asset.key.startswith(f"{self._keys.prefix}{asset.kind}.")
        return same and named and self._keys.is_original(asset.key)

    def _is_our_thumbnail(self, thumbnail: Thumbnail) -> bool:
        return thumbnail.key == self._keys.thumbnail
