"""From a file in the scratch directory to what it is, and its thumbnail: what the importer asks of the prober."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mediaimport_api.reasons import Reason
from mediaimport_api.spec import MediaType, ThumbnailSpec
from mediaimport_api.status import DurationSource, Kind, Media

from mediaimport_importer.classify import unsupported
from mediaimport_importer.errors import AttemptError, RefusedError, UnavailableError
from mediaimport_importer.jpeg import jpeg_size
from mediaimport_importer.media import Streams, describe
from mediaimport_importer.prober.protocol import (
    Failure,
    PacketsRequest,
    Picture,
    ProbeRequest,
    Response,
    ThumbnailRequest,
)

if TYPE_CHECKING:
    from mediaimport_importer.classify import Format
    from mediaimport_importer.prober.client import Prober

_INDEXED = frozenset({"mp4", "mov", "3gp", "m4a", "mkv", "mka", "webm"})
"""Containers that say at their start how long they are, and can be read near their end."""
_NEAR_END_MS = 10_000
_MAX_S = 1e9
_MISSING_MS, _MISSING_SHARE = 1000, 0.03
_COUNTED = frozenset({"gif", "webp", "png", "avif"})


@dataclass(frozen=True)
class Inspection:
    """What a file is: its format corrected, its description, ffprobe's whole answer."""

    format: Format
    media: Media
    streams: Streams

    @property
    def ffprobe(self) -> dict[str, Any]:
        """Return ffprobe's JSON."""
        return self.streams.document


def inspect(prober: Prober, file: str, sniffed: Format, *, asked: MediaType, size_bytes: int) -> Inspection:
    """Return what the file is; NotMedia, UnsupportedFormat, TypeMismatch, Truncated, … if it is not to be kept."""
    response, _ = prober.ask(ProbeRequest(file=file))
    _accept(response)
    streams = Streams(response.document or {})
    form = _settled(prober, file, sniffed, streams)
    _check_type(form, asked)
    if form.kind is not Kind.AUDIO and streams.size is None:
        raise RefusedError(Reason.PROBE_FAILED, "ffprobe finds no picture size in the media; check the file for damage")
    duration = _duration(prober, file, form, streams)
    return Inspection(form, describe(streams, form, size_bytes=size_bytes, duration=duration), streams)


def _accept(response: Response) -> None:
    """Raise what the prober's failure means for the import."""
    match response.failure:
        case None:
            return
        case Failure.NOT_ALLOWED:
            raise unsupported(f"made with {response.message}")
        case Failure.TOO_MANY_PIXELS:
            raise RefusedError(Reason.PIXEL_LIMIT_EXCEEDED, "a picture of the media has too many pixels to be decoded")
        case _:
            raise RefusedError(Reason.PROBE_FAILED, f"ffprobe cannot read the media: {response.message}")


def _settled(prober: Prober, file: str, sniffed: Format, streams: Streams) -> Format:
    if streams.video is None and streams.audio is None:
        raise unsupported(f"{sniffed.extension} without picture or sound that can be decoded")
    form = sniffed.heard_and_seen(has_video=streams.video is not None, has_audio=streams.audio is not None)
    if form.extension not in _COUNTED:
        return form
    return form.moving(frames=streams.frames or _packets(prober, file))


def _packets(prober: Prober, file: str) -> int | None:
    response, _ = prober.ask(PacketsRequest(file=file))
    counts = [each.get("packets") for each in _ends(response).values()]
    return max((count for count in counts if isinstance(count, int)), default=None)


def _check_type(form: Format, asked: MediaType) -> None:
    if asked in {MediaType.AUTO, form.kind.value} or (form.animated and asked is MediaType.IMAGE):
        return
    raise RefusedError(
        Reason.TYPE_MISMATCH, f"spec.type is {asked.value}, the media is {form.kind.value} ({form.extension})"
    )


def _ends(response: Response) -> dict[str, Any]:
    streams = (response.document or {}).get("streams")
    return {key: each for key, each in streams.items() if isinstance(each, dict)} if isinstance(streams, dict) else {}


def _last_end_ms(response: Response) -> int | None:
    ends = [each.get("endS") for each in _ends(response).values()]
    return max((round(end * 1000) for end in ends if isinstance(end, float | int) and abs(end) < _MAX_S), default=None)


def _duration(prober: Prober, file: str, form: Format, streams: Streams) -> tuple[int, DurationSource] | None:
    """Return the duration, from the packets where nothing names it; Truncated when they end before it does."""
    if form.kind is Kind.IMAGE:
        return None
    named = streams.duration
    if named is None:
        response, _ = prober.ask(PacketsRequest(file=file))
        end_ms = _last_end_ms(response)
        return (end_ms, DurationSource.PACKETS) if end_ms else None
    if form.extension in _INDEXED:
        _check_end(prober, file, named[0])
    return named


def _end_from(prober: Prober, file: str, from_s: float) -> int | None:
    """Return when the last packet ends; None if none is found there: not every file can be read from anywhere."""
    response, _ = prober.ask(PacketsRequest(file=file, from_s=from_s))
    return _last_end_ms(response)


def _check_end(prober: Prober, file: str, duration_ms: int) -> None:
    near_end_s = max(0, duration_ms - _NEAR_END_MS) / 1000
    end_ms = _end_from(prober, file, near_end_s) or _end_from(prober, file, 0)
    if end_ms is not None and duration_ms - end_ms > max(_MISSING_MS, duration_ms * _MISSING_SHARE):
        raise UnavailableError(
            Reason.TRUNCATED, f"the media says it lasts {duration_ms} ms, but what was served ends at {end_ms} ms"
        )


@dataclass(frozen=True)
class Shot:
    """A thumbnail, or why there is none."""

    reason: Reason
    message: str
    jpeg: bytes = b""
    luma: float | None = None


def guess(file: str, wanted: ThumbnailSpec, sniffed: Format) -> ThumbnailRequest:
    """Return what to ask for before it is known what the file is: ffmpeg then runs beside ffprobe."""
    picture = Picture.ATTACHED if sniffed.kind is Kind.AUDIO else Picture.MAIN
    return ThumbnailRequest(file=file, width_pixels=wanted.width_pixels, frame=wanted.frame, picture=picture)


def informed(request: ThumbnailRequest, *, kind: Kind, hdr: bool) -> ThumbnailRequest:
    """Return what to ask for once it is known what the file is; the same request means that its answer serves."""
    audio = kind is Kind.AUDIO
    picture = Picture.ATTACHED if audio else Picture.MAIN
    return request.model_copy(update={"picture": picture, "tone_map": hdr and not audio})


def shoot(prober: Prober, request: ThumbnailRequest) -> Shot:
    """Return the thumbnail; whatever goes wrong with it is no reason for the import to fail."""
    try:
        response, jpeg = prober.ask(request)
    except AttemptError as error:
        return Shot(Reason.THUMBNAIL_FAILED, error.public_message)
    if response.failure is not None or jpeg_size(jpeg) is None:
        return Shot(Reason.THUMBNAIL_FAILED, response.message or "the prober sent no JPEG")
    return Shot(Reason.THUMBNAIL_STORED, "the thumbnail is stored", jpeg, response.luma)


def final_shot(prober: Prober, request: ThumbnailRequest, first: Shot, inspection: Inspection) -> Shot:
    """Return the first shot if it is of the right picture, else another."""
    if inspection.format.kind is Kind.AUDIO and not inspection.streams.has_cover:
        return Shot(Reason.NO_PICTURE, "the audio has no cover")
    better = informed(request, kind=inspection.format.kind, hdr=inspection.streams.hdr)
    shot = first if better == request else shoot(prober, better)
    if shot.reason is Reason.THUMBNAIL_FAILED and better.frame != "first":
        shot = shoot(prober, better.model_copy(update={"frame": ThumbnailSpec().frame}))
    return replace(shot, jpeg=b"") if shot.reason is not Reason.THUMBNAIL_STORED else shot
