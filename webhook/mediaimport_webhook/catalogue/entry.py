"""The JSON that a frontend polls: made from a resource, or from the sidecar of one that is gone. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

from mediaimport_api import names
from mediaimport_api.names import AssetKeys
from mediaimport_api.reasons import Reason
from mediaimport_api.status import Asset, ConditionType, Media, Phase, Status
from pydantic import ValidationError

if TYPE_CHECKING:
    from mediaimport_api.sidecar import Sidecar

    from mediaimport_webhook.cluster import Resource
    from mediaimport_webhook.http import schemas
    from mediaimport_webhook.http.schemas import AssetKind, AssetStatus

LABEL_SWEPT = f"{names.GROUP}/swept"
"""On what the sweep made because no callback did."""

_SHOWN: dict[Phase, AssetStatus] = {Phase.READY: "ready", Phase.FAILED: "failed"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One asset as the shim shows it. `document` lacks only what is signed at the moment of asking."""

    resource_name: str
    version: int
    asset_id: str
    user_id: str
    created_at: str
    status: AssetStatus
    type: AssetKind | None
    tags: tuple[str, ...]
    job_id: str | None
    original_key: str | None
    thumbnail_key: str | None
    size_bytes: int
    swept: bool
    deleted: bool
    """The resource is on its way out, and all that is stored with it."""
    document: schemas.Asset

    @property
    def order(self) -> tuple[str, str, str]:
        """Return what lists are ordered by; no two entries share it."""
        return self.created_at, self.asset_id, self.resource_name


def entry_of(resource: Resource) -> Entry:
    """Return the entry of a MediaImport."""
    about, spec, status = resource["metadata"], resource["spec"], _status(resource)
    keys = AssetKeys(spec.get("userId", "default"), spec.get("assetId") or about["uid"])
    job_id = (spec["source"].get("provider") or {}).get("id")
    phase = _phase(status, run=spec.get("run", ""))
    shown = _SHOWN.get(phase, "uploading")
    kind = _type(status.asset, spec.get("type", "auto"))
    tags = spec.get("tags") or []
    document: schemas.Asset = {
        "id": keys.asset_id,
        "name": spec.get("name") or about["name"],
        "status": shown,
        "url": None,
        "thumbnail_url": None,
        "type": kind,
        "metadata": _metadata(spec.get("metadata") or {}, _measured(status, failed=shown == "failed")),
        "progress": _progress(status),
        "phase": phase,
        "reason": _reason(status, phase),
        "tags": tags,
        "job_id": job_id,
        "import_job_id": about["name"],
        "created_at": about["creationTimestamp"],
        "expires_at": None,
    }
    return Entry(
        resource_name=about["name"],
        version=int(about["resourceVersion"]),
        asset_id=keys.asset_id,
        user_id=keys.user_id,
        created_at=about["creationTimestamp"],
        status=shown,
        type=kind,
        tags=tuple(tags),
        job_id=job_id,
        original_key=_original_key(status, keys) if shown == "ready" else None,
        thumbnail_key=_thumbnail_key(status, keys) if shown == "ready" else None,
        size_bytes=status.asset.size_bytes if status.asset else 0,
        swept=LABEL_SWEPT in about.get("labels", {}),
        deleted=is_deleted(resource),
        document=document,
    )


def is_deleted(resource: Resource) -> bool:
    """Tell whether the resource goes, and takes what is stored with it."""
    return "deletionTimestamp" in resource["metadata"] and resource["spec"].get("deletionPolicy") == "Delete"


def entry_of_sidecar(sidecar: Sidecar) -> Entry:
    """Return the entry of an asset whose resource is gone, as that would have shown it."""
    provenance = sidecar.provenance
    status = Status(phase=Phase.READY, asset=sidecar.asset, media=sidecar.media, thumbnail=sidecar.thumbnail)
    spec = provenance.model_dump(mode="json", by_alias=True, exclude={"source_host", "provider"}) | {
        "assetId": str(sidecar.asset.id),
        "source": {"provider": provenance.provider.to_wire() if provenance.provider else None},
    }
    about = {
        "name": sidecar.owner.name,
        "uid": sidecar.owner.uid,
        "resourceVersion": "0",
        "creationTimestamp": sidecar.imported_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return entry_of({"metadata": about, "spec": spec, "status": status.to_wire()})


def _status(resource: Resource) -> Status:
    """Return the status; one that another version of the operator wrote may not fit, and counts as not there yet."""
    try:
        return Status.model_validate(resource.get("status") or {})
    except ValidationError:
        return Status()


def _phase(status: Status, *, run: str) -> Phase:
    """Return the phase of the run that the spec asks for: a retry is on its way before the operator says so."""
    asked_anew = run != (status.run or "")
    return Phase.PENDING if asked_anew or status.phase is None else status.phase


def _type(asset: Asset | None, wanted: str) -> AssetKind | None:
    known = asset.kind.value if asset is not None else wanted
    return None if known == "auto" else cast("AssetKind", known)


def _reason(status: Status, phase: Phase) -> str | None:
    condition = status.condition(ConditionType.READY)
    if condition is not None:
        return condition.reason
    return Reason.IMPORTED.value if phase is Phase.READY else None


def _measured(status: Status, *, failed: bool) -> schemas.Metadata:
    """Return what was measured: always all of these keys, so that a user's own of the same name never shows through."""
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
        "size_bytes": None if asset is None else asset.size_bytes,
        "content_type": None if asset is None else asset.content_type,
        "sha256": None if asset is None else asset.sha256,
        "error": status.error.message if failed and status.error else None,
    }


def _metadata(given: dict[str, Any], measured: schemas.Metadata) -> schemas.Metadata:
    return cast("schemas.Metadata", given | measured)


def _progress(status: Status) -> schemas.Progress | None:
    return None if status.progress is None else cast("schemas.Progress", status.progress.model_dump(mode="json"))


def _codec(media: Media | None) -> str | None:
    stream = media and (media.video or media.audio)
    return stream.codec_name if stream else None


def _frame_rate(media: Media | None) -> float | None:
    """Return frames per second of a fraction such as "30000/1001", to three places."""
    if media is None or media.video is None or media.video.avg_frame_rate is None:
        return None
    try:
        return round(float(Fraction(media.video.avg_frame_rate)), 3)
    except (ValueError, ZeroDivisionError):
        return None


def _original_key(status: Status, keys: AssetKeys) -> str | None:
    """Return the key only if it is one that this asset can have: nothing else is ever signed."""
    return status.asset.key if status.asset and keys.is_original(status.asset.key) else None


def _thumbnail_key(status: Status, keys: AssetKeys) -> str | None:
    return keys.thumbnail if status.thumbnail and status.thumbnail.key == keys.thumbnail else None
