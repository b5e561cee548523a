"""Imports that ended, of every kind: the resource as the operator left it, and the sidecar as the importer wrote it.

The bytes of the media are made up; status and sidecar are written by the programs' own code.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from mediaimport_api.names import AssetKeys
from mediaimport_api.reasons import Reason
from mediaimport_api.result import DESCRIBED, DescriptionOutcome, ThumbnailOutcome
from mediaimport_api.sidecar import Tombstone, read_record
from mediaimport_api.status import Media, MediaWarning, Thumbnail, VideoMedia
from mediaimport_importer.media import formats
from mediaimport_importer.media.streams import Inspection, Streams
from mediaimport_importer.record import Original, Record, sidecar_body
from mediaimport_operator.decide.status import StatusBuilder
from mediaimport_operator.pods.import_job import task

from tests.support import golden
from tests.support.operator_fakes import Build

if TYPE_CHECKING:
    from collections.abc import Iterator

_FFPROBE = golden.read(golden.CURRENT, "sidecar")["ffprobe"]
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_FORMATS = (formats.MP4, formats.WEBM, formats.MOV)
_WORDS = (
    "red",
    "car",
    "größe",
    "Σίσυφος",
    "東京",
    "😀",
    "e\u0301",
    "'; DROP TABLE media_assets; --",
    "%_\\",
    "a\0b",
    "@x",
)


@dataclass(frozen=True)
class EndedImport:
    """A resource, and what the store has of it."""

    resource: dict[str, Any]
    keys: AssetKeys
    sidecar: bytes

    @property
    def tombstone(self) -> bytes:
        """Return the record after the asset's deletion."""
        sidecar: Any = read_record(self.sidecar)
        owner, fingerprint = sidecar.owner, sidecar.source_fingerprint
        deleted_at = sidecar.imported_at + timedelta(days=1)
        tombstone = Tombstone(owner=owner, source_fingerprint=fingerprint, deleted_at=deleted_at)
        return tombstone.model_dump_json(by_alias=True).encode()


def ended_imports(count: int, *, users: int = 7, seed: int = 1) -> Iterator[EndedImport]:
    """Yield that many imports of those users, the same ones each time."""
    some = random.Random(seed)  # noqa: S311 - no secret
    build = Build(now=_BEGIN)
    settings = build.settings()
    for number in range(count):
        yield _ended(build, settings, number, user=f"user-{some.randrange(users)}", some=some)


def _ended(build: Build, settings: Any, number: int, *, user: str, some: random.Random) -> EndedImport:  # noqa: ANN401 - the operator's
    made_at = _BEGIN + timedelta(seconds=37 * number)
    uid = str(UUID(int=some.getrandbits(128), version=4))
    about = {
        "name": f"import-{number}",
        "uid": uid,
        "resourceVersion": str(1000 + 3 * number),
        "creationTimestamp": made_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    item = build.mediaimport(meta=about, **_spec(number, user, some))
    observed = build.observed(item, settings=settings, now=made_at + timedelta(seconds=some.randrange(5, 900)))
    record = _record(observed.resource, settings, some, at=observed.now - timedelta(seconds=2))
    sidecar = record.sidecar
    status = StatusBuilder(observed, observed.history).ready(record.result(sidecar))
    keys = AssetKeys(user, observed.resource.asset_id)
    return EndedImport(item | {"status": status.to_wire()}, keys, sidecar_body(sidecar))


def _spec(number: int, user: str, some: random.Random) -> dict[str, Any]:
    text = " ".join(some.choices(_WORDS, k=3))
    spec: dict[str, Any] = {"userId": user, "source": {"url": f"https://source.example/{number}.mp4"}}
    if number % 2:
        spec["name"] = f"{text}.mp4".replace("\0", "")
    if number % 3:
        spec["tags"] = [f"tag{some.randrange(20)}", "größe"]
    if number % 5:
        spec["metadata"] = {
            "scene": number,
            "text": text,
            "deep": {"list": [1.5, None, True, 2**53 - 1, 1e-7]},
            "width": "own",
        }
    if number % 7:
        spec["assetId"] = str(UUID(int=some.getrandbits(128), version=4))
    if number % 4:
        recipe = {
            "input": {"prompt": text, "seed": number, "cfg": 7.0},
            "metrics": {"predict_time": 12.25},
            "seed": str(2**60),
        }
        spec["source"] |= {
            "provider": {"name": "replicate", "id": f"pred{number // 3}", "pointer": "/0", "model": "owner/model"}
            | recipe
        }
    return spec


def _record(resource: Any, settings: Any, some: random.Random, *, at: datetime) -> Record:  # noqa: ANN401 - the operator's
    own_format = some.choice(_FORMATS)
    keys = AssetKeys(resource.spec.user_id, resource.asset_id)
    key = keys.original(kind=own_format.kind.value, extension=own_format.extension)
    size, digest = some.randrange(1, 10**9), f"{some.getrandbits(256):064x}"
    has_thumbnail, is_described = some.random() < 0.9, some.random() < 0.95
    return Record(
        task=task(resource, settings, attempt=1),
        inspection=_inspection(own_format, some) if is_described else _undescribed(own_format),
        original=Original("bucket", key, f'"{digest[:32]}"', size, digest, proven=some.random() < 0.9),
        thumbnail=_thumbnail(keys) if has_thumbnail else _no_thumbnail(),
        luma=some.uniform(0, 255),
        imported_at=at,
    )


def _inspection(own_format: formats.Format, some: random.Random) -> Inspection:
    media = Media(
        format_name="mov,mp4",
        duration_ms=some.randrange(100, 600_000),
        bit_rate_bps=some.randrange(10**7),
        width=1280,
        height=720,
        aspect_ratio="16:9",
        video=VideoMedia(codec_name="h264", avg_frame_rate=some.choice(["24/1", "30000/1001", "0/0"])),
    )
    return Inspection(own_format, media, Streams(_FFPROBE), DESCRIBED)


def _undescribed(own_format: formats.Format) -> Inspection:
    media = Media(format_name=own_format.format_name, warnings=[MediaWarning.DESCRIPTION_MISSING])
    outcome = DescriptionOutcome(reason=Reason.PROBE_FAILED, message="ffprobe cannot read it")
    return Inspection(own_format, media, Streams({}), outcome)


def _thumbnail(keys: AssetKeys) -> ThumbnailOutcome:
    picture = Thumbnail(key=keys.thumbnail, content_type="image/jpeg", width=320, height=180, size_bytes=9000)
    return ThumbnailOutcome(reason=Reason.THUMBNAIL_STORED, message="the thumbnail is stored", thumbnail=picture)


def _no_thumbnail() -> ThumbnailOutcome:
    return ThumbnailOutcome(reason=Reason.THUMBNAIL_FAILED, message="no frame could be decoded")
