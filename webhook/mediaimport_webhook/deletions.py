"""Deleting an asset for good: the resource goes, the operator removes what is stored and leaves a tombstone."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from mediaimport_api import names
from mediaimport_api.spec import DeletionPolicy

from mediaimport_webhook.cluster import ConflictError, ManifestRefusedError
from mediaimport_webhook.documents import entry_of
from mediaimport_webhook.problems import Problem, unavailable

if TYPE_CHECKING:
    from mediaimport_webhook.catalogue import Catalogue
    from mediaimport_webhook.cluster import Cluster, Resource
    from mediaimport_webhook.documents import Entry

_TRIES = 5
"""The operator may write to the resource between our reading and our patch."""


@dataclass(frozen=True)
class Deletions:
    """Deletes MediaImports together with their stored objects; the catalogue learns of each at once."""

    cluster: Cluster
    catalogue: Catalogue

    async def delete(self, entry: Entry) -> None:
        """Mark the resource and delete it; Problems, ClusterUnavailableError."""
        for _ in range(_TRIES):
            found = await self.cluster.get_import(entry.resource_name)
            if found is None or entry_of(found).asset_id != entry.asset_id:
                raise _resource_gone()
            try:
                return await self._delete(found)
            except ConflictError:
                continue
            except ManifestRefusedError as error:
                raise _not_available(error.message) from None
        raise unavailable("The API server")

    async def _delete(self, found: Resource) -> None:
        """Delete exactly what was marked: nobody's change in between is lost, nor the finalizer forgotten."""
        about = found["metadata"]
        if "deletionTimestamp" not in about:
            marked = await self.cluster.patch_import(about["name"], _mark(found))
            if marked is None:
                raise _resource_gone()
            about = marked["metadata"]
            found = await self.cluster.delete_import(about["name"], version=about["resourceVersion"]) or marked
        if "deletionTimestamp" in found["metadata"]:
            self.catalogue.insert(found)


def _mark(resource: Resource) -> Resource:
    """Return the patch that makes the stored objects go with the resource, if nobody has changed it meanwhile."""
    about = resource["metadata"]
    finalizers = dict.fromkeys([*about.get("finalizers", []), names.STORED_OBJECTS_FINALIZER])
    return {
        "metadata": {"resourceVersion": about["resourceVersion"], "finalizers": list(finalizers)},
        "spec": {"deletionPolicy": DeletionPolicy.DELETE.value},
    }


def _resource_gone() -> Problem:
    detail = (
        "The import's resource is gone, only the stored objects are left; whoever runs the store can remove them under"
        " the asset's id."
    )
    return Problem(HTTPStatus.CONFLICT, "import-gone", detail)


def _not_available(message: str) -> Problem:
    return Problem(HTTPStatus.NOT_IMPLEMENTED, "deletion-not-available", f"The cluster refuses deletion: {message}")
