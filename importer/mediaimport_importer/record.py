"""The record of an import: its sidecar and its result. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_api import __version__
from mediaimport_api.reasons import MAX_MESSAGE, Reason
from mediaimport_api.result import Result, ThumbnailOutcome, recorded_description
from mediaimport_api.sidecar import Provenance, RecordedProvider, Sidecar, source_fingerprint
from mediaimport_api.source_policy import url_host
from mediaimport_api.status import Asset, Kind, Media, MediaWarning

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_api.spec import Provider
    from mediaimport_api.task import Task

    from mediaimport_importer.media.streams import Inspection

_MORE_ROOM = (
    "; for a description raise prober.resources.limits.memory or prober.resources.requests.cpu and import it again"
    " under another assetId"
)
_BLACK_LUMA = 8.0
"""Of 255: black as films have it, with a little noise."""


@dataclass(frozen=True)
class Original:
    """The original as it is stored."""

    bucket: str
    key: str
    etag: str
    size_bytes: int
    sha256: str
    verified: bool = True
    """True if the store's own checksum is that of the bytes that the source has sent."""
    proven: bool = True
    """True if somebody vouches that the source has sent all of it."""


@dataclass(frozen=True)
class Record:
    """A complete import. `luma`: mean brightness of the thumbnail's frame, 0 to 255."""

    task: Task
    inspection: Inspection
    original: Original
    thumbnail: ThumbnailOutcome
    luma: float | None
    imported_at: datetime

    @property
    def asset(self) -> Asset:
        """Return the description of the stored original."""
        media_format, original = self.inspection.format, self.original
        return Asset.model_validate(
            {
                "id": self.task.asset_id,
                "sha256": original.sha256,
                "size_bytes": original.size_bytes,
                "content_type": media_format.content_type,
                "kind": media_format.kind,
                "bucket": original.bucket,
                "key": original.key,
                "etag": original.etag[:128] or None,
            }
        )

    @property
    def media(self) -> Media:
        """Return the description of the media, with warnings of a black first frame and of what nobody vouches for."""
        media = self.inspection.media
        warnings = list(media.warnings or [])
        if self._begins_black:
            warnings.append(MediaWarning.BLACK_FIRST_FRAME)
        if not self.original.verified:
            warnings.append(MediaWarning.CHECKSUM_UNVERIFIED)
        if not self.original.proven:
            warnings.append(MediaWarning.END_UNVERIFIED)
        return media.model_copy(update={"warnings": warnings or None})

    @property
    def _begins_black(self) -> bool:
        moves = self.inspection.media.video is not None and not self.inspection.format.is_still
        return moves and self.luma is not None and self.luma < _BLACK_LUMA

    @property
    def sidecar(self) -> Sidecar:
        """Return the permanent record."""
        return Sidecar(
            owner=self.task.owner,
            source_fingerprint=source_fingerprint(self.task.spec.source.location),
            created_at=self.task.created_at,
            imported_at=self.imported_at,
            importer_version=__version__,
            provenance=_provenance(self.task),
            asset=self.asset,
            media=self.media,
            thumbnail=self.thumbnail.thumbnail,
            description=self.inspection.description,
            ffprobe=self.inspection.ffprobe,
        )

    def result(self, sidecar: Sidecar) -> Result:
        """Return the attempt's result, given the sidecar that is stored."""
        return _imported(sidecar, self.thumbnail, "the media is stored")


def _provenance(task: Task) -> Provenance:
    spec = task.spec
    return Provenance(
        source_host=url_host(spec.source.location),
        provider=_recorded(spec.source.provider),
        name=spec.name,
        type=spec.type,
        user_id=spec.user_id,
        tags=spec.tags,
        metadata=spec.metadata,
    )


def _recorded(provider: Provider | None) -> RecordedProvider | None:
    return None if provider is None else RecordedProvider.model_validate(provider.to_wire())


def _imported(sidecar: Sidecar, outcome: ThumbnailOutcome, message: str) -> Result:
    description = recorded_description(sidecar.description, sidecar.media)
    if MediaWarning.DESCRIPTION_MISSING in (sidecar.media.warnings or []):
        more_room = _MORE_ROOM if description.reason in {Reason.OUT_OF_MEMORY, Reason.UNEXPECTED} else ""
        message = f"{message} without description: {description.message}{more_room}"[:MAX_MESSAGE]
    return Result(
        reason=Reason.IMPORTED,
        message=message,
        asset=sidecar.asset,
        media=sidecar.media,
        thumbnail=outcome,
        description=description,
    )


def already_stored(sidecar: Sidecar) -> Result:
    """Return the result of an attempt that found its asset stored."""
    return _imported(sidecar, _thumbnail_outcome(sidecar), "the media was stored by an earlier attempt")


def _thumbnail_outcome(sidecar: Sidecar) -> ThumbnailOutcome:
    if sidecar.thumbnail is not None:
        return ThumbnailOutcome(
            reason=Reason.THUMBNAIL_STORED, message="the thumbnail is stored", thumbnail=sidecar.thumbnail
        )
    if sidecar.asset.kind is Kind.AUDIO:
        return ThumbnailOutcome(reason=Reason.NO_PICTURE, message="the audio has no cover")
    if not sidecar.asset.kind.is_media:
        return ThumbnailOutcome(reason=Reason.NO_PICTURE, message=f"{sidecar.asset.kind.value} has no picture")
    return ThumbnailOutcome(reason=Reason.THUMBNAIL_FAILED, message="no thumbnail could be made during the import")


def sidecar_body(sidecar: Sidecar) -> bytes:
    """Return the sidecar as it is stored."""
    return json.dumps(sidecar.to_wire(), ensure_ascii=False, indent=1).encode()
