"""The store's record of an asset as an entry: what a rebuilt row shows. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mediaimport_api.sidecar import Tombstone

from mediaimport_webhook.catalogue.entry import entry_of, entry_of_sidecar

if TYPE_CHECKING:
    from mediaimport_api.names import AssetKeys
    from mediaimport_api.overlay import Overlay
    from mediaimport_api.sidecar import Sidecar

    from mediaimport_webhook.catalogue.entry import Entry

LAST_VERSION = 2**63 - 1
"""Version of a deleted asset: nothing comes after a tombstone."""


def entry_of_record(record: Sidecar | Tombstone, overlay: Overlay | None, keys: AssetKeys) -> Entry:
    """Return the entry of what the store says of an asset; a deleted one has no overlay."""
    return _deleted(record, keys) if isinstance(record, Tombstone) else entry_of_sidecar(record, overlay)


def _deleted(tombstone: Tombstone, keys: AssetKeys) -> Entry:
    about = {
        "name": tombstone.owner.name,
        "uid": tombstone.owner.uid,
        "resourceVersion": str(LAST_VERSION),
        "creationTimestamp": tombstone.deleted_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    spec = {"userId": keys.user_id, "assetId": keys.asset_id, "source": {}}
    return replace(entry_of({"metadata": about, "spec": spec}), deleted=True)
