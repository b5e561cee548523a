"""Edits of stored assets: name, tags and metadata.

The overlay in the store is written first: it is the record. Then those who list the asset are told: the resource by an
annotation, which every replica's watch sees and a restart finds again, or the database's row if the resource is gone.
An edit that ends in between is completed by its repetition.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from mediaimport_api.names import ANNOTATION_OVERLAY, AssetKeys
from mediaimport_api.sidecar import Tombstone
from mediaimport_runtime.kubernetes.errors import ConflictError, InvalidError
from pydantic import ValidationError

from mediaimport_webhook.catalogue import Catalogue, Entry, entry_of
from mediaimport_webhook.catalogue.overlay import annotated_overlay, annotation_of, edited, is_unchanged, overlaid
from mediaimport_webhook.http import problems
from mediaimport_webhook.store import OverlayChangedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mediaimport_api.overlay import Overlay

    from mediaimport_webhook.catalogue import Archive
    from mediaimport_webhook.cluster import Cluster
    from mediaimport_webhook.store import OverlayStore, SidecarReader

_MAX_ATTEMPTS = 5
"""Others may write the overlay, or the resource, between our read and our write."""


@dataclass(frozen=True)
class Edits:
    """Edits assets, and updates the catalogue."""

    cluster: Cluster
    catalogue: Catalogue
    sidecars: SidecarReader
    overlays: OverlayStore
    archive: Archive | None

    async def edit(self, entry: Entry, changes: Mapping[str, Any], *, is_expected: Callable[[Entry], bool]) -> Entry:
        """Return the asset after an edit of one that is as expected.

        Problems: 409 for an asset that is not stored, 410, 412 for one that is not as expected, 422 for what does not
        fit. StoreUnavailableError, UnavailableError, DatabaseUnavailableError.
        """
        if entry.status != "ready":
            raise _not_stored(entry)
        keys = AssetKeys(entry.user_id, entry.asset_id)
        current, overlay = await self._stored(keys, entry, changes, is_expected)
        return current if overlay is None else await self._shown(overlaid(current, overlay), overlay)

    async def _stored(
        self, keys: AssetKeys, entry: Entry, changes: Mapping[str, Any], is_expected: Callable[[Entry], bool]
    ) -> tuple[Entry, Overlay | None]:
        """Return the asset as the store has it, and its overlay once the changes are stored, None if there is none."""
        for _ in range(_MAX_ATTEMPTS):
            found = await self.overlays.read(keys)
            current = overlaid(entry, found.overlay)
            if not is_expected(current):
                # The caller reads the asset again, and is then to see what the store has.
                if found.overlay is not None and found.overlay.revision > entry.overlay_revision:
                    await self._shown(current, found.overlay)
                raise _changed()
            overlay = _edited(current, changes, revision=max(entry.overlay_revision, current.overlay_revision) + 1)
            if is_unchanged(current, overlay):
                return current, found.overlay
            try:
                await self.overlays.write(keys, overlay, replaces=found)
            except OverlayChangedError:
                continue
            return current, overlay
        raise problems.unavailable("The store")

    async def _shown(self, entry: Entry, overlay: Overlay) -> Entry:
        """Return the edited asset once all who list it know of the edit."""
        annotated = await self._annotated(entry, overlay)
        if annotated is not None:
            return annotated
        keys = AssetKeys(entry.user_id, entry.asset_id)
        if isinstance(await self.sidecars.read(keys), Tombstone):
            await self._deleted(keys)
        if self.archive is not None:
            await self.archive.edit(entry)
        return entry

    async def _annotated(self, entry: Entry, overlay: Overlay) -> Entry | None:
        """Return the entry of the asset's resource, which has the overlay, or a later one; None without a resource."""
        for _ in range(_MAX_ATTEMPTS):
            resource = await self.cluster.get_import(entry.resource_name)
            if resource is None:
                return None
            found, about = entry_of(resource), resource["metadata"]
            if (found.user_id, found.asset_id) != (entry.user_id, entry.asset_id):
                return None
            if found.deleted:
                await self._deleted(AssetKeys(entry.user_id, entry.asset_id))
            known = annotated_overlay(about)
            if known is not None and known.revision >= overlay.revision:
                return self.catalogue.insert_entry(found)
            annotations = {ANNOTATION_OVERLAY: annotation_of(overlay)}
            patch = {"metadata": {"resourceVersion": about["resourceVersion"], "annotations": annotations}}
            try:
                written = await self.cluster.patch_import(entry.resource_name, patch)
            except ConflictError:
                continue
            except InvalidError as error:
                raise problems.Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "import-refused", error.message) from None
            if written is not None:
                return self.catalogue.insert(written)
        raise problems.unavailable("The API server")

    async def _deleted(self, keys: AssetKeys) -> None:
        """Take the edit of an asset back that is deleted meanwhile: 410."""
        await self.overlays.clear(keys)
        raise problems.deleted("asset")


def _edited(current: Entry, changes: Mapping[str, Any], *, revision: int) -> Overlay:
    """Return the overlay after the changes; a 422 Problem if the metadata have become too large."""
    try:
        return edited(current, changes, revision=revision, now=datetime.now(UTC))
    except ValidationError as error:
        raise problems.invalid(problems.field_errors(error)) from None


def _not_stored(entry: Entry) -> problems.Problem:
    why = "its import has failed" if entry.status == "failed" else "its import is under way; wait for its end"
    return problems.Problem(HTTPStatus.CONFLICT, "not-stored", f"Only a stored asset can be edited: {why}.")


def _changed() -> problems.Problem:
    detail = "The asset is not the one that If-Match names; get it again, and edit it as it is now."
    return problems.Problem(HTTPStatus.PRECONDITION_FAILED, "precondition-failed", detail)
