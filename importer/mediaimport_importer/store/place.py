"""Where an asset goes and whose it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mediaimport_api.names import AssetKeys
    from mediaimport_api.sidecar import Owner


@dataclass(frozen=True)
class Place:
    """The keys of one asset, the import that owns them, and the fingerprint of its source."""

    keys: AssetKeys
    owner: Owner
    fingerprint: str
