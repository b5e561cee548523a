"""Lookup of one asset: in the cache, in the database if there is one, on the API server, then by its sidecar.

The API server knows what another replica has written, and what is recorded while the database does not answer.
"""

from __future__ import annotations

import asyncio
import logging
import re
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
    from collections.abc import Callable, Sequence

    from mediaimport_webhook.access import Caller
    from mediaimport_webhook.catalogue.archive import Archive
    from mediaimport_webhook.catalogue.index import Catalogue
    from mediaimport_webhook.cluster import Cluster
    from mediaimport_webhook.store import SidecarReader

log = logging.getLogger(__name__)
_NEGATIVE_CACHE_S = 2.0
_MAX_NEGATIVE = 10_000
_MAX_CONCURRENCY = 8
_MAX_RESOURCES = 10
"""Of one asset."""
_CANONICAL = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""As nearly all callers write an id: UUID takes ten times as long to say so."""


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
        entry = self._catalogue.find(asset_id, user_id=visible)
        if entry is None or self._catalogue.recorded.names_of(asset_id, user_id=visible):
            stored = AssetKeys(caller.user_id if user is None else user, asset_id)
            found = await self._find_further(AssetKeys(visible or "", asset_id), stored, visible)
            entry = min((each for each in (entry, found) if each is not None), key=_order, default=None)
        if entry is None:
            raise problems.not_found("asset")
        if entry.deleted:
            raise problems.deleted("asset")
        return entry

    async def _find_further(self, keys: AssetKeys, stored: AssetKeys, visible: str | None) -> Entry | None:
        """Return the asset that the cache has not whole; a 503 Problem if only the database knows, and is away."""
        if self._archive is None:
            return await self._find_uncached(keys, stored)
        try:
            entry = await self._archive.find(keys.asset_id, user_id=visible)
        except DatabaseUnavailableError as error:
            log.warning("the catalogue's database cannot be read", extra={"error": str(error)})
            entry = await self._find_uncached(keys, stored)
            if entry is None:
                raise problems.unavailable("The catalogue's database") from None
            return entry
        return entry if entry is not None and entry.status != "uploading" else await self._find_uncached(keys, stored)

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
        user_id = keys.user_id or None
        names = self._catalogue.recorded.names_of(keys.asset_id, user_id=user_id)
        if names:
            return await self._named(names, keys)
        page = await self._cluster.list_imports(limit=_MAX_RESOURCES, labels={LABEL_ASSET: keys.asset_id})
        for resource in page.items:
            self._catalogue.insert(resource)
        return self._catalogue.find(keys.asset_id, user_id=user_id)

    async def _named(self, names: Sequence[str], keys: AssetKeys) -> Entry | None:
        """Return the asset of recorded imports, the oldest of them, while the database does not answer."""
        resources = [await self._cluster.get_import(each) for each in names[:_MAX_RESOURCES]]
        entries = [self._catalogue.insert(each) for each in resources if each is not None]
        visible = [each for each in entries if each.asset_id == keys.asset_id and keys.user_id in {"", each.user_id}]
        return min(visible, key=_order, default=None)

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


def _order(entry: Entry) -> tuple[str, str, str]:
    return entry.order


def _asset_id(text: str) -> str:
    """Return the id in canonical form; a 404 Problem for a text that is no UUID."""
    if _CANONICAL.fullmatch(text):
        return text
    try:
        return str(UUID(text))
    except ValueError:
        raise problems.not_found("asset") from None
