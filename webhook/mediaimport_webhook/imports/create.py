"""Creation of MediaImports, idempotent: however often an import is requested, it exists once."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING
from uuid import uuid4

from mediaimport_api.names import AssetKeys
from mediaimport_api.sidecar import Tombstone
from mediaimport_api.spec import ThumbnailSpec, Undescribed
from mediaimport_runtime.kubernetes.errors import AlreadyExistsError, InvalidError, UnavailableError

from mediaimport_webhook.catalogue import Catalogue, Entry, entry_of
from mediaimport_webhook.store import SidecarReader, StoreUnavailableError

if TYPE_CHECKING:
    from mediaimport_webhook.cluster import Cluster, Resource

log = logging.getLogger(__name__)
_TOMBSTONE_TIMEOUT_S = 2.0
_MAX_CREATIONS = 3
_REQUESTED = ("userId", "type", "name", "tags", "metadata", "expected", "undescribed", "thumbnail")
_DEFAULTS = {"undescribed": Undescribed.KEEP.value, "thumbnail": ThumbnailSpec().to_wire()}
"""Of fields that an earlier release did not send."""


class CreationOutcome(Enum):
    """End of a creation. Its name, in lower case, is in responses and metrics."""

    CREATED = auto()
    DUPLICATE = auto()
    """The import exists, of the same user and origin."""
    TAKEN = auto()
    """Another import has the name."""
    REFUSED = auto()
    """The API server refuses the manifest, and always will."""
    GONE = auto()
    """The resource does not exist any more."""
    DELETED = auto()
    """Somebody deleted the asset; it does not come back."""

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class CreationResult:
    """Result of a creation, with the entry of an import that exists."""

    outcome: CreationOutcome
    entry: Entry | None = None
    message: str = ""


@dataclass(frozen=True)
class Imports:
    """Creates MediaImports, and inserts each into the catalogue."""

    cluster: Cluster
    catalogue: Catalogue
    sidecars: SidecarReader

    async def create(self, manifest: Resource, *, ask_store: bool = False) -> CreationResult:
        """Create the import, unless it exists or is being deleted; UnavailableError.

        An asset that was deleted is not imported again: its importer finds the tombstone. `ask_store` finds it first,
        for one more round trip.
        """
        if ask_store and await self._has_tombstone(manifest):
            return CreationResult(CreationOutcome.DELETED, message="it was deleted")
        for _ in range(_MAX_CREATIONS):
            try:
                resource = await self.cluster.create_import(manifest)
            except AlreadyExistsError:
                # None: it was deleted meanwhile, so the name is free.
                if (found := await self.cluster.get_import(manifest["metadata"]["name"])) is not None:
                    return self._found(manifest, found)
            except InvalidError as error:
                return CreationResult(CreationOutcome.REFUSED, message=error.message)
            else:
                return CreationResult(CreationOutcome.CREATED, self.catalogue.insert(resource))
        raise UnavailableError("the import was created and deleted again and again")

    async def existing(self, manifest: Resource) -> CreationResult | None:
        """Return what `create` would without creating anything, None if it would create the import; UnavailableError.

        What an import is to read from the store need not be stored if there is no import to come.
        """
        found = await self.cluster.get_import(manifest["metadata"]["name"])
        if found is not None:
            return self._found(manifest, found)
        if await self._has_tombstone(manifest):
            return CreationResult(CreationOutcome.DELETED, message="it was deleted")
        return None

    async def retry(self, entry: Entry) -> CreationResult:
        """Request another run of an import; UnavailableError."""
        patch = {"spec": {"run": f"retry-{uuid4().hex[:12]}"}}
        try:
            resource = await self.cluster.patch_import(entry.resource_name, patch)
        except InvalidError as error:
            return CreationResult(CreationOutcome.REFUSED, message=error.message)
        if resource is None:
            return CreationResult(CreationOutcome.GONE)
        return CreationResult(CreationOutcome.CREATED, self.catalogue.insert(resource))

    async def _has_tombstone(self, manifest: Resource) -> bool:
        """Return whether the store has a tombstone of the asset.

        Without an answer of the store the import goes on: the callback may be the last one, and the importer
        overwrites no object.
        """
        name, spec = manifest["metadata"]["name"], manifest["spec"]
        if self.catalogue.has_name(name):
            return False
        keys = AssetKeys(spec.get("userId", "default"), spec["assetId"])
        try:
            async with asyncio.timeout(_TOMBSTONE_TIMEOUT_S):
                return isinstance(await self.sidecars.read(keys), Tombstone)
        except (StoreUnavailableError, TimeoutError):
            log.warning("the store does not say whether an asset was deleted", extra={"resource": name})
            return False

    def _found(self, manifest: Resource, existing: Resource) -> CreationResult:
        entry = entry_of(existing)
        if entry.deleted:
            return CreationResult(CreationOutcome.DELETED, message="it was deleted")
        if _identity(existing) != _identity(manifest):
            return CreationResult(CreationOutcome.TAKEN, message="another import has its name")
        return CreationResult(CreationOutcome.DUPLICATE, self.catalogue.insert_entry(entry))


def _identity(resource: Resource) -> tuple[object, ...]:
    """Return the fields in which two manifests of one import agree.

    For a generated output they are user and output, for a request all that the caller set.
    """
    spec = resource["spec"]
    provider = spec["source"].get("provider")
    if provider is None:
        source = (spec["source"].get(each) for each in ("url", "store", "headersSecretRef"))
        requested = (spec.get(each, _DEFAULTS.get(each)) for each in _REQUESTED)
        return *source, *requested
    return spec.get("userId", "default"), provider["name"], provider["id"], provider.get("pointer", "")
