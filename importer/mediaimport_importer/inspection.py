"""From a file in the scratch directory to what it is, and its thumbnail: what the importer asks of the prober."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mediaimport_api.reasons import Reason
from mediaimport_api.spec import MediaType, ThumbnailSpec
from mediaimport_api.status import DurationSource, Kind, Media
from mediaimport_prober.protocol import (
    Failure,
    PacketsRequest,
    Picture,
    ProbeRequest,
    Response,
    ThumbnailRequest,
)

from mediaimport_importer import background
from mediaimport_importer.classify import unsupported
from mediaimport_importer.errors import AttemptError, RefusedError, UnavailableError
from mediaimport_importer.jpeg import jpeg_size
from mediaimport_importer.media import Streams, describe

if TYPE_CHECKING:
    from mediaimport_importer.classify import Format
    from mediaimport_importer.prober import Prober

INDEXED = frozenset({"mp4", "mov", "3gp", "m4a", "mkv", "mka", "webm"})
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


def inspect(  # noqa: PLR0913 - what is known of the file
    prober: Prober, file: str, sniffed: Format, *, asked: MediaType, size_bytes: int, guessed_ms: int | None = None
) -> Inspection:
    """Return what the file is; NotMedia, UnsupportedFormat, TypeMismatch, Truncated, … if it is not to be kept.

    `guessed_ms`: how long it will probably last. A right guess saves time, a wrong one does no harm.
    """
    ends = _Ends(prober, file, guessed_ms)
    response, _ = prober.ask(ProbeRequest(file=file))
    _accept(response)
    streams = Streams(response.document or {})
    form, frames = _settled(prober, file, sniffed, streams)
    _check_type(form, asked)
    if form.kind is not Kind.AUDIO and streams.size is None:
        raise RefusedError(Reason.PROBE_FAILED, "ffprobe finds no picture size in the media; check the file for damage")
    duration = _duration(ends, form, streams)
    return Inspection(form, describe(streams, form, size_bytes=size_bytes, duration=duration, frames=frames), streams)


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


def _settled(prober: Prober, file: str, sniffed: Format, streams: Streams) -> tuple[Format, int | None]:
    """Return the format by which streams there are and, where that tells a picture from a film, how many frames."""
    if streams.video is None and streams.audio is None:
        raise unsupported(f"{sniffed.extension} without picture or sound that can be decoded")
    form = sniffed.heard_and_seen(has_video=streams.video is not None, has_audio=streams.audio is not None)
    if form.extension not in _COUNTED:
        return form, None
    frames = streams.frames or _packets(prober, file)
    return form.moving(frames=frames), frames


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


@dataclass
class _Ends:
    """When the last packets of a file end."""

    prober: Prober
    file: str
    guessed_ms: int | None

    def __post_init__(self) -> None:
        """Look near the guessed end, beside ffprobe."""
        near_s = _near_s(self.guessed_ms or 0)
        self._early = background.start("packets", lambda: self.from_s(near_s)) if self.guessed_ms else None

    def from_s(self, start_s: float) -> int | None:
        """Return when the last packet ends, in ms; None if none is found from there on: not every file can seek."""
        response, _ = self.prober.ask(PacketsRequest(file=self.file, from_s=start_s))
        return _last_end_ms(response)

    def of(self, duration_ms: int) -> int | None:
        """Return when a file of that duration really ends."""
        early = self._early if self.guessed_ms == duration_ms else None
        near = early.result() if early is not None else self.from_s(_near_s(duration_ms))
        return near or self.from_s(0)


def _near_s(duration_ms: int) -> float:
    return max(0, duration_ms - _NEAR_END_MS) / 1000


def _duration(ends: _Ends, form: Format, streams: Streams) -> tuple[int, DurationSource] | None:
    """Return the duration, from the packets where nothing names it; Truncated when they end before it does."""
    if form.kind is Kind.IMAGE:
        return None
    named = streams.duration
    if named is None:
        end_ms = ends.from_s(0)
        return (end_ms, DurationSource.PACKETS) if end_ms else None
    if form.extension in INDEXED:
        _check_end(ends, named[0])
    return named


def _check_end(ends: _Ends, duration_ms: int) -> None:
    end_ms = ends.of(duration_ms)
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
