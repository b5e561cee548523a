"""What is written down of an import: sidecar and result. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_api import __version__
from mediaimport_api.reasons import Reason
from mediaimport_api.result import Result, ThumbnailOutcome
from mediaimport_api.sidecar import Provenance, Sidecar
from mediaimport_api.source_policy import url_host
from mediaimport_api.status import Asset, Kind, Media, MediaWarning, Thumbnail

from mediaimport_importer.jpeg import jpeg_size

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_api.task import Task

    from mediaimport_importer.content import Content
    from mediaimport_importer.inspection import Inspection, Shot
    from mediaimport_importer.store.place import Place

_BLACK_LUMA = 8.0
"""Of 255: black as films have it, with a little noise."""


@dataclass(frozen=True)
class Stored:
    """Where the original is."""

    bucket: str
    key: str
    etag: str


@dataclass(frozen=True)
class Record:
    """An import, whole."""

    task: Task
    place: Place
    content: Content
    inspection: Inspection
    shot: Shot
    stored: Stored
    at: datetime

    @property
    def asset(self) -> Asset:
        """Return the stored original."""
        form = self.inspection.format
        return Asset.model_validate(
            {
                "id": self.task.asset_id,
                "sha256": self.content.sha256,
                "size_bytes": self.content.size_bytes,
                "content_type": form.content_type,
                "kind": form.kind,
                "bucket": self.stored.bucket,
                "key": self.stored.key,
                "etag": self.stored.etag[:128] or None,
            }
        )

    @property
    def media(self) -> Media:
        """Return what the media is, with what only its picture shows."""
        media = self.inspection.media
        luma = self.shot.luma
        if media.video is None or self.inspection.format.kind is not Kind.VIDEO or luma is None or luma >= _BLACK_LUMA:
            return media
        return media.model_copy(update={"warnings": [*(media.warnings or []), MediaWarning.BLACK_FIRST_FRAME]})

    @property
    def thumbnail(self) -> Thumbnail | None:
        """Return the stored thumbnail, None if there is none."""
        size = jpeg_size(self.shot.jpeg)
        if size is None:
            return None
        return Thumbnail(
            key=self.place.keys.thumbnail,
            content_type="image/jpeg",
            width=size[0],
            height=size[1],
            size_bytes=len(self.shot.jpeg),
        )

    @property
    def sidecar(self) -> Sidecar:
        """Return the permanent record."""
        return Sidecar(
            owner=self.task.owner,
            source_fingerprint=self.place.fingerprint,
            imported_at=self.at,
            importer_version=__version__,
            provenance=_provenance(self.task),
            asset=self.asset,
            media=self.media,
            thumbnail=self.thumbnail,
            ffprobe=self.inspection.ffprobe,
        )

    def result(self, sidecar: Sidecar) -> Result:
        """Return the attempt's end, of the sidecar that is stored."""
        outcome = ThumbnailOutcome(reason=self.shot.reason, message=self.shot.message, thumbnail=self.thumbnail)
        return _imported(sidecar, outcome, "the media is stored")


def _provenance(task: Task) -> Provenance:
    spec = task.spec
    return Provenance(
        source_host=url_host(spec.source.url),
        provider=spec.source.provider,
        name=spec.name,
        type=spec.type,
        user_id=spec.user_id,
        tags=spec.tags,
        metadata=spec.metadata,
    )


def _imported(sidecar: Sidecar, outcome: ThumbnailOutcome, message: str) -> Result:
    return Result(reason=Reason.IMPORTED, message=message, asset=sidecar.asset, media=sidecar.media, thumbnail=outcome)


def already_stored(sidecar: Sidecar) -> Result:
    """Return the result of an attempt that found all done."""
    return _imported(sidecar, _outcome(sidecar), "the media was stored by a former attempt")


def _outcome(sidecar: Sidecar) -> ThumbnailOutcome:
    if sidecar.thumbnail is not None:
        return ThumbnailOutcome(
            reason=Reason.THUMBNAIL_STORED, message="the thumbnail is stored", thumbnail=sidecar.thumbnail
        )
    if sidecar.asset.kind is Kind.AUDIO:
        return ThumbnailOutcome(reason=Reason.NO_PICTURE, message="the audio has no cover")
    return ThumbnailOutcome(reason=Reason.THUMBNAIL_FAILED, message="no thumbnail could be made at the import")


def sidecar_body(sidecar: Sidecar) -> bytes:
    """Return the sidecar as it is stored."""
    return json.dumps(sidecar.to_wire(), ensure_ascii=False, indent=1).encode()
