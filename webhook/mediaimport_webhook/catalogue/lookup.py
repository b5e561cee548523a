"""One asset, wherever it can be found: the catalogue, the API server for what another replica wrote, the sidecar."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from mediaimport_api.names import AssetKeys
from mediaimport_api.sidecar import Tombstone
from mediaimport_runtime.kubernetes.errors import UnavailableError

from mediaimport_webhook.catalogue.entry import Entry, entry_of_sidecar
from mediaimport_webhook.http.problems import deleted, not_found
from mediaimport_webhook.imports.create import LABEL_ASSET

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_api.sidecar import Sidecar

    from mediaimport_webhook.access.caller import Caller
    from mediaimport_webhook.catalogue.index import Catalogue
    from mediaimport_webhook.cluster import Cluster

_ABSENT_FOR_S = 2.0
_MOST_ABSENT = 10_000
_READS_AT_ONCE = 8


class SidecarReader(Protocol):
    """Where sidecars are."""

    async def read(self, keys: AssetKeys) -> Sidecar | Tombstone | None:
        """Return what `asset.json` of that asset of that user holds, None if there is none."""


class Reads:
    """Finds assets for a caller; a miss costs the cluster and the store one read each, every 2 s at most."""

    def __init__(
        self,
        catalogue: Catalogue,
        cluster: Cluster,
        sidecars: SidecarReader,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalogue = catalogue
        self._cluster = cluster
        self._sidecars = sidecars
        self._monotonic = monotonic
        self._absent: OrderedDict[AssetKeys, float] = OrderedDict()
        self._slots = asyncio.Semaphore(_READS_AT_ONCE)

    async def asset(self, text: str, caller: Caller) -> Entry:
        """Return the asset if the caller may see it; 410 if it was deleted, 404 for any other cause."""
        asset_id = _asset_id(text)
        entry = self._catalogue.find(asset_id, user_id=caller.sees)
        if entry is None:
            entry = await self._elsewhere(AssetKeys(caller.sees or "", asset_id), caller)
        if entry is None:
            raise not_found("asset")
        if entry.deleted:
            raise deleted("asset")
        return entry

    async def _elsewhere(self, keys: AssetKeys, caller: Caller) -> Entry | None:
        if self._known_absent(keys):
            return None
        async with self._slots:
            entry = await self._in_cluster_or_store(keys, AssetKeys(caller.user_id, keys.asset_id))
        if entry is None:
            self._note_absent(keys)
        return entry

    async def _in_cluster_or_store(self, keys: AssetKeys, stored: AssetKeys) -> Entry | None:
        """Look in both; a cluster that does not answer hides nothing that is stored, but leaves open what is not."""
        try:
            return await self._in_cluster(keys) or await self._in_store(stored)
        except UnavailableError:
            entry = await self._in_store(stored)
            if entry is None:
                raise
            return entry

    async def _in_cluster(self, keys: AssetKeys) -> Entry | None:
        page = await self._cluster.list_imports(limit=10, labels={LABEL_ASSET: keys.asset_id})
        for resource in page.items:
            self._catalogue.insert(resource)
        return self._catalogue.find(keys.asset_id, user_id=keys.user_id or None)

    async def _in_store(self, keys: AssetKeys) -> Entry | None:
        record = await self._sidecars.read(keys)
        if isinstance(record, Tombstone):
            raise deleted("asset")
        return None if record is None else entry_of_sidecar(record)

    def _known_absent(self, keys: AssetKeys) -> bool:
        since = self._absent.get(keys)
        return since is not None and self._monotonic() - since < _ABSENT_FOR_S

    def _note_absent(self, keys: AssetKeys) -> None:
        self._absent[keys] = self._monotonic()
        self._absent.move_to_end(keys)
        if len(self._absent) > _MOST_ABSENT:
            self._absent.popitem(last=False)


def _asset_id(text: str) -> str:
    """Return the id in its one form; anything else is no asset's and goes no further."""
    try:
        return str(UUID(text))
    except ValueError:
        raise not_found("asset") from None
