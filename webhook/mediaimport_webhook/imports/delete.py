"""Deletion of an asset: policy Delete and finalizer are set, then the resource is deleted.

The operator then deletes the stored objects, leaves a tombstone and removes the finalizer.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from mediaimport_api.names import ANNOTATION_FINGERPRINT, STORED_OBJECTS_FINALIZER, AssetKeys
from mediaimport_api.sidecar import Sidecar, Tombstone
from mediaimport_api.spec import DeletionPolicy, Source, Spec
from mediaimport_runtime.kubernetes.errors import AlreadyExistsError, ConflictError, InvalidError

from mediaimport_webhook.catalogue import Entry, Listing, entry_of
from mediaimport_webhook.http import problems
from mediaimport_webhook.imports.manifest import manifest_of

if TYPE_CHECKING:
    from mediaimport_webhook.cluster import Cluster, Resource
    from mediaimport_webhook.store import SidecarReader

_UNKNOWN_URL = "https://gone.invalid/"
_MAX_ATTEMPTS = 5
"""The operator may write to the resource between our read and our patch."""


@dataclass(frozen=True)
class Deletions:
    """Deletes MediaImports with their stored objects, and updates the catalogue."""

    cluster: Cluster
    listing: Listing
    sidecars: SidecarReader
    namespace: str

    async def delete(self, entry: Entry) -> None:
        """Delete an asset, of which only the row may be left: of a failed import, or of an asset deleted unseen.

        Problems, UnavailableError, StoreUnavailableError, DatabaseUnavailableError.
        """
        try:
            await self._delete_resource(entry)
        except problems.Problem as problem:
            if problem.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
                raise
            await self.listing.forget(entry)
            if self.listing.archive is None or problem.status is HTTPStatus.GONE:
                raise

    async def _delete_resource(self, entry: Entry) -> None:
        """Delete the asset's resource, recreated first if it is gone."""
        for _ in range(_MAX_ATTEMPTS):
            try:
                resource = await self.cluster.get_import(entry.resource_name) or await self._recreate(entry)
                if entry_of(resource).asset_id != entry.asset_id:
                    raise _name_taken()
                return await self._delete(resource)
            except (ConflictError, AlreadyExistsError):
                continue
            except InvalidError as error:
                raise _not_available(error.message) from None
        raise problems.unavailable("The API server")

    async def _delete(self, resource: Resource) -> None:
        """Patch and delete one version of the resource: a change in between is a ConflictError."""
        metadata = resource["metadata"]
        if "deletionTimestamp" not in metadata:
            patched = await self.cluster.patch_import(metadata["name"], _deletion_patch(resource))
            if patched is None:
                raise ConflictError
            metadata = patched["metadata"]
            version = metadata["resourceVersion"]
            resource = await self.cluster.delete_import(metadata["name"], version=version) or patched
        if "deletionTimestamp" in resource["metadata"]:
            self.listing.catalogue.insert(resource)

    async def _recreate(self, entry: Entry) -> Resource:
        """Create the missing resource again, suspended, so that the operator deletes its stored objects.

        The webhook may only read the store, and the operator deletes only the objects of a resource that their
        sidecar names.
        """
        record = await self.sidecars.read(AssetKeys(entry.user_id, entry.asset_id))
        if record is None:
            raise problems.not_found("asset")
        if isinstance(record, Tombstone):
            raise problems.deleted("asset")
        if record.owner.namespace != self.namespace:
            raise _other_namespace(record.owner.namespace)
        return await self.cluster.create_import(_manifest(record))


def _manifest(sidecar: Sidecar) -> Resource:
    """Return the resource of a stored asset. The URL is not stored, but its fingerprint is."""
    spec = Spec(
        source=Source(url=_UNKNOWN_URL, provider=sidecar.provenance.provider),
        asset_id=sidecar.asset.id,
        name=sidecar.provenance.name,
        user_id=sidecar.provenance.user_id,
        suspend=True,
    )
    manifest = manifest_of(sidecar.owner.name, spec)
    manifest["metadata"]["annotations"] = {ANNOTATION_FINGERPRINT: sidecar.source_fingerprint}
    return manifest


def _deletion_patch(resource: Resource) -> Resource:
    """Return the patch of this version that sets policy Delete and the finalizer, and keeps other finalizers."""
    metadata = resource["metadata"]
    finalizers = dict.fromkeys([*metadata.get("finalizers", []), STORED_OBJECTS_FINALIZER])
    return {
        "metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": list(finalizers)},
        "spec": {"deletionPolicy": DeletionPolicy.DELETE.value},
    }


def _other_namespace(namespace: str) -> problems.Problem:
    detail = f"The asset is of an import in the namespace {namespace}, which is gone; delete it by the service there."
    return problems.Problem(HTTPStatus.CONFLICT, "import-gone", detail)


def _name_taken() -> problems.Problem:
    detail = "Another import has the name of the one that made this asset; delete that one first."
    return problems.Problem(HTTPStatus.CONFLICT, "import-gone", detail)


def _not_available(message: str) -> problems.Problem:
    return problems.Problem(
        HTTPStatus.NOT_IMPLEMENTED, "deletion-not-available", f"The cluster refuses deletion: {message}"
    )
