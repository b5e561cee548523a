"""Lookup of one asset: in the catalogue, then on the API server (another replica's write), then by its sidecar."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from typing import TYPE_CHECKING
from uuid import UUID

from mediaimport_api.names import LABEL_ASSET, AssetKeys
from mediaimport_api.sidecar import Tombstone
from mediaimport_runtime.kubernetes.errors import UnavailableError

from mediaimport_webhook.catalogue.archive import DatabaseUnavailableError
from mediaimport_webhook.catalogue.entry import Entry, entry_of_sidecar
from mediaimport_webhook.http import problems

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_webhook.access import Caller
    from mediaimport_webhook.catalogue.archive import Archive
    from mediaimport_webhook.catalogue.index import Catalogue
    from mediaimport_webhook.cluster import Cluster
    from mediaimport_webhook.store import SidecarReader

log = logging.getLogger(__name__)
_NEGATIVE_CACHE_S = 2.0
_MAX_NEGATIVE = 10_000
_MAX_CONCURRENCY = 8


class AssetLookup:
    """Finds assets for a caller. A miss costs one read each of cluster and store; a negative cache spares repeats."""

    def __init__(
        self,
        catalogue: Catalogue,
        cluster: Cluster,
        sidecars: SidecarReader,
        *,
        archive: Archive | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalogue = catalogue
        self._cluster = cluster
        self._sidecars = sidecars
        self._archive = archive
        self._monotonic = monotonic
        self._absent_since: OrderedDict[AssetKeys, float] = OrderedDict()
        self._slots = asyncio.Semaphore(_MAX_CONCURRENCY)

    async def find(self, text: str, caller: Caller, *, user: str | None = None) -> Entry:
        """Return the asset if the caller may see it; a 410 Problem if it was deleted, else 404.

        With a user it is that user's: an asset whose resource is gone is found under its user alone.
        """
        asset_id = _asset_id(text)
        if user is not None and caller.sees not in {None, user}:
            raise problems.not_found("asset")
        visible = caller.sees if user is None else user
        entry = self._catalogue.find(asset_id, user_id=visible) or await self._in_archive(asset_id, visible)
        if entry is None:
            stored = AssetKeys(caller.user_id if user is None else user, asset_id)
            entry = await self._find_uncached(AssetKeys(visible or "", asset_id), stored)
        if entry is None:
            raise problems.not_found("asset")
        if entry.deleted:
            raise problems.deleted("asset")
        return entry

    async def _in_archive(self, asset_id: str, user_id: str | None) -> Entry | None:
        """Return the finished asset that the database knows; None without an answer: the store knows it, too."""
        if self._archive is None:
            return None
        try:
            entry = await self._archive.find(asset_id, user_id=user_id)
        except DatabaseUnavailableError as error:
            log.warning("the catalogue's database cannot be read", extra={"error": str(error)})
            return None
        return None if entry is None or entry.status == "uploading" else entry

    async def _find_uncached(self, keys: AssetKeys, stored: AssetKeys) -> Entry | None:
        if self._is_known_absent(keys):
            return None
        async with self._slots:
            entry = await self._in_cluster_or_store(keys, stored)
        if entry is None:
            self._note_absent(keys)
        return entry

    async def _in_cluster_or_store(self, keys: AssetKeys, stored: AssetKeys) -> Entry | None:
        """Read cluster and store. Without an answer of the cluster only a sidecar is certain."""
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
            raise problems.deleted("asset")
        return None if record is None else entry_of_sidecar(record, await self._sidecars.overlay(keys))

    def _is_known_absent(self, keys: AssetKeys) -> bool:
        since = self._absent_since.get(keys)
        return since is not None and self._monotonic() - since < _NEGATIVE_CACHE_S

    def _note_absent(self, keys: AssetKeys) -> None:
        self._absent_since[keys] = self._monotonic()
        self._absent_since.move_to_end(keys)
        if len(self._absent_since) > _MAX_NEGATIVE:
            self._absent_since.popitem(last=False)


def _asset_id(text: str) -> str:
    """Return the id in canonical form; a 404 Problem for a text that is no UUID."""
    try:
        return str(UUID(text))
    except ValueError:
        raise problems.not_found("asset") from None
