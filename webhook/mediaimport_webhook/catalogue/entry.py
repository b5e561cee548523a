"""Catalogue entry: one asset, made of its resource, or of its sidecar once the resource is gone."""

from __future__ import annotations

import logging
import re
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from mediaimport_api.json_depth import storable
from mediaimport_api.names import (
    ANNOTATION_OUTPUTS,
    ANNOTATION_PREDICTION_STATUS,
    ANNOTATION_RECORDED,
    LABEL_RECOVERED,
    AssetKeys,
)
from mediaimport_api.reasons import Reason
from mediaimport_api.status import Asset, ConditionType, Kind, Media, Phase, Status
from pydantic import ValidationError

from mediaimport_webhook.catalogue.overlay import annotated_entry, overlaid
from mediaimport_webhook.catalogue.recipe import packed_recipe
from mediaimport_webhook.catalogue.told import told_of

if TYPE_CHECKING:
    from mediaimport_api.overlay import Overlay
    from mediaimport_api.sidecar import RecordedProvider, Sidecar

    from mediaimport_webhook.catalogue.told import Told
    from mediaimport_webhook.cluster import Resource
    from mediaimport_webhook.http import schemas

log = logging.getLogger(__name__)
_COUNT = re.compile(r"[0-9]{1,6}")
_STATUS: dict[Phase, schemas.AssetStatus] = {Phase.READY: "ready", Phase.FAILED: "failed"}
"""Of a finished import; every other phase is `uploading`."""
_UTC = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Entry:
    """One asset as the catalogue keeps it. `json` lacks only the presigned URLs."""

    resource_name: str
    resource_uid: str
    version: int
    asset_id: str
    user_id: str
    created_at: str
    completed_at: str | None
    status: schemas.AssetStatus
    type: schemas.AssetKind | None
    tags: tuple[str, ...]
    job_id: str | None
    outputs_expected: int
    """The number of imports that the prediction has in all, 0 where it is unknown."""
    provider: str | None
    """The generator's name in the spec."""
    model: str | None
    """The generator's name of the model."""
    provider_status: str | None
    """The generator's own word for the prediction's state."""
    original_key: str | None
    thumbnail_key: str | None
    size_bytes: int
    recovered: bool
    deleted: bool
    """The resource is being deleted, and its stored objects with it; or its importer found the asset deleted."""
    json: schemas.Asset
    packed_recipe: bytes | None = None
    overlay_revision: int = 0
    """Number of the newest edit of name, tags or metadata; 0 for none."""
    source_expires_at: str | None = None
    """Time in UTC at which the source's URL ends, of an import under way; None where nobody told."""
    told: Told | None = None
    """The event of its last run, and the deliveries to users' endpoints."""
    recorded_run: str | None = None
    """The `completed_at` of the run that is marked as recorded."""

    @property
    def order(self) -> tuple[str, str, str]:
        """Return the sort key of lists; no two entries share it."""
        return self.created_at, self.asset_id, self.resource_name


def entry_of(resource: Resource, status: Status | None = None, provider: RecordedProvider | None = None) -> Entry:
    """Return the entry of a MediaImport. One that cannot be shown says so in `broken`, and fails no list.

    `status` and `provider`: those of the resource, where they have been read.
    """
    try:
        return annotated_entry(_entry_of(resource, status, provider), resource["metadata"])
    except Exception as error:
        log.exception("a resource cannot be shown", extra={"resource": resource["metadata"]["name"]})
        return _broken_entry(resource, f"the resource cannot be shown ({type(error).__name__}); kubectl shows it")


def _entry_of(resource: Resource, status: Status | None = None, read: RecordedProvider | None = None) -> Entry:
    about, spec, status = resource["metadata"], resource["spec"], status or _status(resource)
    keys = AssetKeys(_text(spec.get("userId", "default")), _canonical(_text(spec.get("assetId") or about["uid"])))
    provider = spec["source"].get("provider") or {}
    job_id = provider.get("id")
    phase = _phase(status, run=spec.get("run", ""))
    asset_status = _STATUS.get(phase, "uploading")
    kind = _type(status.asset, spec.get("type", "auto"))
    tags = spec.get("tags") or []
    own_metadata, broken = _own_metadata(spec)
    recipe, broken_recipe = packed_recipe(read or provider or None)
    json: schemas.Asset = {
        "id": keys.asset_id,
        "name": spec.get("name") or about["name"],
        "status": asset_status,
        "url": None,
        "thumbnail_url": None,
        "type": _shown_type(kind),
        "metadata": _metadata(own_metadata, _measured(status, failed=asset_status == "failed")),
        "progress": _progress(status),
        "phase": phase,
        "reason": _reason(status, phase),
        "tags": tags,
        "job_id": job_id,
        "import_job_id": about["name"],
        "created_at": about["creationTimestamp"],
        "expires_at": None,
        "broken": broken or broken_recipe,
    }
    return Entry(
        resource_name=about["name"],
        resource_uid=about["uid"],
        version=int(about["resourceVersion"]),
        asset_id=keys.asset_id,
        user_id=keys.user_id,
        created_at=about["creationTimestamp"],
        completed_at=_completed_at(status),
        status=asset_status,
        type=kind,
        tags=tuple(tags),
        job_id=job_id,
        outputs_expected=_outputs_expected(about),
        provider=provider.get("name"),
        model=None if recipe is None else sys.intern(str(provider["model"])) if provider.get("model") else None,
        provider_status=about.get("annotations", {}).get(ANNOTATION_PREDICTION_STATUS),
        # What a former run stored stays readable while another one runs.
        original_key=_original_key(status, keys),
        thumbnail_key=_thumbnail_key(status, keys),
        size_bytes=status.asset.size_bytes if status.asset else 0,
        recovered=LABEL_RECOVERED in about.get("labels", {}),
        deleted=_is_being_deleted(resource) or _was_deleted(status, phase),
        json=json,
        packed_recipe=recipe,
        source_expires_at=_utc(spec["source"].get("expiresAt")) if asset_status == "uploading" else None,
        told=told_of(status),
        recorded_run=about.get("annotations", {}).get(ANNOTATION_RECORDED),
    )


def _completed_at(status: Status) -> str | None:
    return None if status.completed_at is None else status.completed_at.strftime(_UTC)


def _utc(moment: object) -> str | None:
    """Return a moment of a resource, which may have another offset, in UTC; None if there is none to be read."""
    try:
        return datetime.fromisoformat(_text(moment)).astimezone(UTC).strftime(_UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def _broken_entry(resource: Resource, broken: str) -> Entry:
    """Return the entry of a resource of which nothing but name, version, time and perhaps owner can be told."""
    about = {name: resource["metadata"][name] for name in ("name", "uid", "resourceVersion", "creationTimestamp")}
    spec = {"userId": _readable_owner(resource), "source": {}}
    entry = _entry_of({"metadata": about, "spec": spec, "status": {"phase": Phase.FAILED}})
    metadata: schemas.Metadata = {**entry.json["metadata"], "error": broken}
    return replace(entry, json={**entry.json, "metadata": metadata, "broken": broken})


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a text, not {type(value).__name__}")
    return value


def _canonical(asset_id: str) -> str:
    """Return the id as it is in keys of the store: a resource may have it in upper case, or without hyphens."""
    try:
        return str(UUID(asset_id))
    except ValueError:
        return asset_id


def _readable_owner(resource: Resource) -> str:
    """Return the user; "", whose assets only an admin sees, if there is no telling."""
    spec = resource.get("spec")
    user_id = spec.get("userId", "default") if isinstance(spec, dict) else ""
    return user_id if isinstance(user_id, str) else ""


def _own_metadata(spec: Resource) -> tuple[dict[str, Any], str | None]:
    """Return the user's metadata; without those that JSON cannot carry, and why."""
    try:
        return storable(spec.get("metadata") or {}), None
    except ValueError as error:
        return {}, f"spec.metadata {error}: it is left out"


def _was_deleted(status: Status, phase: Phase) -> bool:
    """Return whether the importer found the tombstone of the asset."""
    return phase is Phase.FAILED and _reason(status, phase) == Reason.ASSET_DELETED.value


def _outputs_expected(about: Resource) -> int:
    text = about.get("annotations", {}).get(ANNOTATION_OUTPUTS, "")
    return int(text) if _COUNT.fullmatch(text) else 0


def _is_being_deleted(resource: Resource) -> bool:
    return "deletionTimestamp" in resource["metadata"] and resource["spec"].get("deletionPolicy") == "Delete"


def entry_of_sidecar(sidecar: Sidecar, overlay: Overlay | None = None) -> Entry:
    """Return the entry of an asset whose resource is gone, equal to the one that the resource had."""
    provenance = sidecar.provenance
    status = Status(phase=Phase.READY, asset=sidecar.asset, media=sidecar.media, thumbnail=sidecar.thumbnail)
    provider = provenance.provider
    # Dumped by pydantic, and validated once more, it took half of the time of an entry.
    spec = {
        "name": provenance.name,
        "type": provenance.type.value,
        "userId": provenance.user_id,
        "assetId": str(sidecar.asset.id),
        "tags": provenance.tags,
        "metadata": provenance.metadata,
        "source": {"provider": provider and {"name": provider.name, "id": provider.id, "model": provider.model}},
    }
    about = {
        "name": sidecar.owner.name,
        "uid": sidecar.owner.uid,
        "resourceVersion": "0",
        "creationTimestamp": (sidecar.created_at or sidecar.imported_at).strftime(_UTC),
    }
    return overlaid(entry_of({"metadata": about, "spec": spec}, status, provider), overlay)


def _status(resource: Resource) -> Status:
    """Return what can be read of the status: another operator's version may have written it."""
    try:
        return Status.read(resource.get("status") or {})
    except ValidationError:
        return Status()


def _phase(status: Status, *, run: str) -> Phase:
    """Return the phase of the run in the spec; Pending for a new run that the operator has not seen yet."""
    is_new_run = run != (status.run or "")
    return Phase.PENDING if is_new_run or status.phase is None else status.phase


def _type(asset: Asset | None, requested: str) -> schemas.AssetKind | None:
    """Return the kind of the stored asset; before that the only one that the spec accepts, None if there are more."""
    if asset is not None:
        return asset.kind.value
    return None if requested in {"auto", "file"} else cast("schemas.AssetKind", requested)


def _shown_type(kind: schemas.AssetKind | None) -> schemas.AssetKind | None:
    """Return the kind for callers: one that only a later release knows is a file."""
    return kind if kind is None or Kind(kind).is_known else "file"


def _reason(status: Status, phase: Phase) -> str | None:
    condition = status.condition(ConditionType.READY)
    if condition is not None:
        return condition.reason
    return Reason.IMPORTED.value if phase is Phase.READY else None


def _measured(status: Status, *, failed: bool) -> schemas.Metadata:
    """Return the measured values under all their keys: a user's own value never stands under one of them."""
    media, asset = status.media, status.asset
    return {
        "duration": None if media is None or media.duration_ms is None else media.duration_ms / 1000,
        "width": None if media is None else media.width,
        "height": None if media is None else media.height,
        "codec": _codec(media),
        "bitrate": None if media is None else media.bit_rate_bps,
        "frame_rate": _frame_rate(media),
        "format": None if media is None else media.format_name,
        "aspect_ratio": None if media is None else media.aspect_ratio,
        "animated": None if media is None else media.animated,
        "size_bytes": None if asset is None else asset.size_bytes,
        "content_type": None if asset is None else asset.content_type,
        "sha256": None if asset is None else asset.sha256,
        "error": status.error.message if failed and status.error else None,
    }


def _metadata(own: dict[str, Any], measured: schemas.Metadata) -> schemas.Metadata:
    return cast("schemas.Metadata", own | measured)


def _progress(status: Status) -> schemas.Progress | None:
    return None if status.progress is None else cast("schemas.Progress", status.progress.model_dump(mode="json"))


def _codec(media: Media | None) -> str | None:
    stream = media and (media.video or media.audio)
    return stream.codec_name if stream else None


def _frame_rate(media: Media | None) -> float | None:
    if media is None or media.video is None or media.video.avg_frame_rate is None:
        return None
    return _frames_per_second(media.video.avg_frame_rate)


@lru_cache(maxsize=64)
def _frames_per_second(fraction: str) -> float | None:
    """Return them to three places, from a fraction such as "30000/1001"."""
    try:
        return round(float(Fraction(fraction)), 3)
    except (ValueError, ZeroDivisionError):
        return None


def _original_key(status: Status, keys: AssetKeys) -> str | None:
    """Return the key if it is one of this asset's, else None: no other key is ever signed."""
    return status.asset.key if status.asset and keys.is_original(status.asset.key) else None


def _thumbnail_key(status: Status, keys: AssetKeys) -> str | None:
    return keys.thumbnail if status.thumbnail and status.thumbnail.key == keys.thumbnail else None
