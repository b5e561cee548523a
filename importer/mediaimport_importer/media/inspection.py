"""Inspection of the scratch file by ffprobe, in the prober: streams, duration, truncation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mediaimport_api.reasons import Reason
from mediaimport_api.spec import MediaType
from mediaimport_api.status import DurationSource, Kind, Media, MediaWarning
from mediaimport_prober.protocol import Failure, PacketsRequest, ProbeRequest, Response

from mediaimport_importer import background
from mediaimport_importer.errors import RefusedError, StarvedProberError, UnavailableError
from mediaimport_importer.media.classify import INDEXED, Format, unsupported
from mediaimport_importer.media.document import known_document
from mediaimport_importer.media.streams import Inspection, Streams, describe
from mediaimport_importer.prober import out_of_memory

if TYPE_CHECKING:
    from mediaimport_importer.prober import Prober

_NEAR_END_MS = 10_000
_MAX_S = 1e9
_MISSING_MS, _MISSING_SHARE = 1000, 0.03
_COUNTED = frozenset({"gif", "webp", "png", "avif"})


def inspect(  # noqa: PLR0913 - each is a fact about the file
    prober: Prober,
    file: str,
    sniffed: Format,
    *,
    expected_type: MediaType,
    size_bytes: int,
    provisional_ms: int | None = None,
) -> Inspection:
    """Return the inspection of a file; NotMedia, UnsupportedFormat, TypeMismatch, Truncated, … if it is refused.

    `provisional_ms`: the duration that the preview read. A right one saves time, a wrong one does no harm.
    """
    last_packets = _LastPackets(prober, file, provisional_ms)
    response, _ = prober.ask(ProbeRequest(file=file))
    _raise_failure(response)
    streams = Streams(known_document(response.document))
    media_format, frames = _corrected(prober, file, sniffed, streams)
    _check_type(media_format, expected_type)
    if media_format.kind is not Kind.AUDIO and streams.size is None:
        raise RefusedError(Reason.PROBE_FAILED, "ffprobe finds no picture size in the media; check the file for damage")
    duration = _duration(last_packets, media_format, streams)
    media = describe(streams, media_format, size_bytes=size_bytes, duration=duration, frames=frames)
    return Inspection(media_format, media, streams)


def undescribed(sniffed: Format, *, expected_type: MediaType) -> Inspection:
    """Return what the first bytes alone show of a file that the prober cannot read; TypeMismatch.

    Where they do not tell video from sound, the type that the spec expects is believed.
    """
    media_format = sniffed if expected_type is MediaType.AUTO else sniffed.of_kind(Kind(expected_type.value))
    _check_type(media_format, expected_type)
    media = Media(format_name=media_format.extension, warnings=[MediaWarning.DESCRIPTION_MISSING])
    return Inspection(media_format, media, Streams({}))


def _raise_failure(response: Response) -> None:
    """Raise the AttemptError that the prober's failure means for the import."""
    match response.failure:
        case None:
            return
        case Failure.NOT_ALLOWED:
            raise unsupported(f"made with {response.message}")
        case Failure.TOO_MANY_PIXELS:
            raise RefusedError(Reason.PIXEL_LIMIT_EXCEEDED, "the media has a picture with too many pixels to decode")
        case Failure.OUT_OF_MEMORY:
            raise out_of_memory(f"the prober cannot read the media: {response.message}")
        case Failure.PROBER_FAILED:
            raise UnavailableError(
                Reason.UNEXPECTED,
                f"the prober failed ({response.message}); read the log of the pod's prober container, and report it",
            )
        case _:
            raise RefusedError(Reason.PROBE_FAILED, f"ffprobe cannot read the media: {response.message}")


def _corrected(prober: Prober, file: str, sniffed: Format, streams: Streams) -> tuple[Format, int | None]:
    """Return the format corrected by the streams and, where an image may be animated, the number of frames."""
    if streams.video is None and streams.audio is None:
        raise unsupported(f"{sniffed.extension} without picture or sound that can be decoded")
    media_format = sniffed.with_streams(has_video=streams.video is not None, has_audio=streams.audio is not None)
    if media_format.extension not in _COUNTED:
        return media_format, None
    frames = streams.frames or _packet_count(prober, file)
    return media_format.with_frames(frames), frames


def _packet_count(prober: Prober, file: str) -> int | None:
    response, _ = prober.ask(PacketsRequest(file=file))
    counts = [each.get("packets") for each in _packet_sums(response).values()]
    return max((count for count in counts if isinstance(count, int)), default=None)


def _check_type(media_format: Format, expected: MediaType) -> None:
    if expected in {MediaType.AUTO, media_format.kind.value}:
        return
    if media_format.animated and expected is MediaType.IMAGE:
        return
    raise RefusedError(
        Reason.TYPE_MISMATCH,
        f"spec.type is {expected.value}, but the media is {media_format.kind.value} ({media_format.extension})",
    )


def _packet_sums(response: Response) -> dict[str, Any]:
    streams = (response.document or {}).get("streams")
    return {key: each for key, each in streams.items() if isinstance(each, dict)} if isinstance(streams, dict) else {}


def _last_end_ms(response: Response) -> int | None:
    ends = [each.get("endS") for each in _packet_sums(response).values()]
    return max((round(end * 1000) for end in ends if isinstance(end, float | int) and abs(end) < _MAX_S), default=None)


@dataclass
class _LastPackets:
    """The times at which the last packets of a file end."""

    prober: Prober
    file: str
    provisional_ms: int | None

    def __post_init__(self) -> None:
        """Read near the provisional end, at the same time as ffprobe."""
        near_s = _near_s(self.provisional_ms or 0)
        self._early = background.start("packets", lambda: self.end_ms_from(near_s)) if self.provisional_ms else None

    def end_ms_from(self, start_s: float) -> int | None:
        """Return the end of the last packet; None if none is found from `start_s` on: not every file can seek."""
        try:
            response, _ = self.prober.ask(PacketsRequest(file=self.file, from_s=start_s))
        except StarvedProberError:
            # The description is worth more than this second look at it.
            return None
        return _last_end_ms(response)

    def end_ms(self, duration_ms: int) -> int | None:
        """Return the end of the last packet of a file of that duration."""
        early = self._early if self.provisional_ms == duration_ms else None
        near = early.result() if early is not None else self.end_ms_from(_near_s(duration_ms))
        return near or self.end_ms_from(0)


def _near_s(duration_ms: int) -> float:
    return max(0, duration_ms - _NEAR_END_MS) / 1000


def _duration(last_packets: _LastPackets, media_format: Format, streams: Streams) -> tuple[int, DurationSource] | None:
    """Return the duration, from the packets where no header has it; Truncated if the packets end before it."""
    if media_format.kind is Kind.IMAGE:
        return None
    duration = streams.duration
    if duration is None:
        end_ms = last_packets.end_ms_from(0)
        return (end_ms, DurationSource.PACKETS) if end_ms else None
    if media_format.extension in INDEXED:
        _check_end(last_packets, duration[0])
    return duration


def _check_end(last_packets: _LastPackets, duration_ms: int) -> None:
    end_ms = last_packets.end_ms(duration_ms)
    if end_ms is not None and duration_ms - end_ms > max(_MISSING_MS, duration_ms * _MISSING_SHARE):
        raise UnavailableError(
            Reason.TRUNCATED, f"the media's header says {duration_ms} ms, but its last packet ends at {end_ms} ms"
        )
