"""Deleting an asset for good: the resource goes, the operator removes what is stored and leaves a tombstone."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from mediaimport_api import names
from mediaimport_api.names import AssetKeys
from mediaimport_api.sidecar import Tombstone
from mediaimport_api.spec import DeletionPolicy, Source, Spec
from mediaimport_runtime.kubernetes.errors import AlreadyExistsError, ConflictError, InvalidError

from mediaimport_webhook.catalogue.entry import entry_of
from mediaimport_webhook.http.problems import Problem, deleted, not_found, unavailable
from mediaimport_webhook.imports.create import manifest_of

if TYPE_CHECKING:
    from mediaimport_api.sidecar import Sidecar

    from mediaimport_webhook.catalogue.entry import Entry
    from mediaimport_webhook.catalogue.index import Catalogue
    from mediaimport_webhook.catalogue.lookup import SidecarReader
    from mediaimport_webhook.cluster import Cluster, Resource

_NOWHERE = "https://gone.invalid/"
_TRIES = 5
"""The operator may write to the resource between our reading and our patch."""


@dataclass(frozen=True)
class Deletions:
    """Deletes MediaImports together with their stored objects; the catalogue learns of each at once."""

    cluster: Cluster
    catalogue: Catalogue
    sidecars: SidecarReader
    namespace: str

    async def delete(self, entry: Entry) -> None:
        """Mark the resource and delete it; Problems, UnavailableError."""
        for _ in range(_TRIES):
            try:
                found = await self.cluster.get_import(entry.resource_name) or await self._stand_in(entry)
                if entry_of(found).asset_id != entry.asset_id:
                    raise _name_taken()
                return await self._delete(found)
            except (ConflictError, AlreadyExistsError):
                continue
            except InvalidError as error:
                raise _not_available(error.message) from None
        raise unavailable("The API server")

    async def _delete(self, found: Resource) -> None:
        """Delete exactly what was marked: nobody's change in between is lost, nor the finalizer forgotten."""
        about = found["metadata"]
        if "deletionTimestamp" not in about:
            marked = await self.cluster.patch_import(about["name"], _mark(found))
            if marked is None:
                raise ConflictError
            about = marked["metadata"]
            found = await self.cluster.delete_import(about["name"], version=about["resourceVersion"]) or marked
        if "deletionTimestamp" in found["metadata"]:
            self.catalogue.insert(found)

    async def _stand_in(self, entry: Entry) -> Resource:
        """Make the resource again that is gone, suspended, so that the operator deletes what is stored in its name.

        We may only read the store; and the operator believes no one but the resource that a sidecar names.
        """
        record = await self.sidecars.read(AssetKeys(entry.user_id, entry.asset_id))
        if record is None:
            raise not_found("asset")
        if isinstance(record, Tombstone):
            raise deleted("asset")
        if record.owner.namespace != self.namespace:
            raise _elsewhere(record.owner.namespace)
        return await self.cluster.create_import(_manifest(record))


def _manifest(sidecar: Sidecar) -> Resource:
    """Return the resource of a stored asset. The URL is known to nobody any more, but its fingerprint is."""
    spec = Spec(
        source=Source(url=_NOWHERE, provider=sidecar.provenance.provider),
        asset_id=sidecar.asset.id,
        name=sidecar.provenance.name,
        user_id=sidecar.provenance.user_id,
        suspend=True,
    )
    manifest = manifest_of(sidecar.owner.name, spec, {})
    manifest["metadata"]["annotations"] = {names.ANNOTATION_FINGERPRINT: sidecar.source_fingerprint}
    return manifest


def _mark(resource: Resource) -> Resource:
    """Return the patch that makes the stored objects go with the resource, if nobody has changed it meanwhile."""
    about = resource["metadata"]
    finalizers = dict.fromkeys([*about.get("finalizers", []), names.STORED_OBJECTS_FINALIZER])
    return {
        "metadata": {"resourceVersion": about["resourceVersion"], "finalizers": list(finalizers)},
        "spec": {"deletionPolicy": DeletionPolicy.DELETE.value},
    }


def _elsewhere(namespace: str) -> Problem:
    detail = (
        f"The asset is of an import in the namespace {namespace}, which is gone; ask the service there to delete it."
    )
    return Problem(HTTPStatus.CONFLICT, "import-gone", detail)


def _name_taken() -> Problem:
    detail = "Another import has the name of the one that made this asset; delete that one first."
    return Problem(HTTPStatus.CONFLICT, "import-gone", detail)


def _not_available(message: str) -> Problem:
    return Problem(HTTPStatus.NOT_IMPLEMENTED, "deletion-not-available", f"The cluster refuses deletion: {message}")
