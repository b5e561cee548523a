"""Inspection of the scratch file by ffprobe, in the prober: streams, duration, doubts.

It describes, and does not decide about bytes: what came whole is kept, described or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mediaimport_api.reasons import Reason
from mediaimport_api.result import DescriptionOutcome
from mediaimport_api.spec import MediaType
from mediaimport_api.status import DurationSource, Kind, Media, MediaWarning
from mediaimport_prober.protocol import Failure, PacketsRequest, ProbeRequest, Response

from mediaimport_importer import background
from mediaimport_importer.errors import RefusedError, StarvedProberError, UnavailableError
from mediaimport_importer.media.document import known_document
from mediaimport_importer.media.formats import ANIMATED, INDEXED, Format
from mediaimport_importer.media.streams import Inspection, Streams, describe
from mediaimport_importer.prober import out_of_memory

if TYPE_CHECKING:
    from mediaimport_importer.errors import AttemptError
    from mediaimport_importer.prober import Prober

_NEAR_END_MS = 10_000
_MAX_S = 1e9
_MISSING_MS, _MISSING_SHARE = 1000, 0.03
_ESTIMATED = frozenset({"mp3", "aac"})
"""Formats whose duration ffprobe guesses from the bit rate of the first frames, where they have no index."""


@dataclass(frozen=True)
class Subject:
    """A file in the scratch directory, and what is known of it before it is probed."""

    file: str
    sniffed: Format
    expected_type: MediaType
    size_bytes: int
    proven: bool
    """The transport, the spec or the format's own end proves that the file is whole; otherwise the inside decides."""
    provisional_ms: int | None = None
    """The duration that the preview read. A right one saves time, a wrong one does no harm."""


def inspect(prober: Prober, subject: Subject) -> Inspection:
    """Return the inspection of a file; TypeMismatch, or Truncated of a file that nothing else vouches for.

    A file that the prober cannot describe is kept: only its description is missing, and the inspection says why.
    """
    if not subject.sniffed.probed:
        return undescribed(subject, _not_probed(subject.sniffed))
    try:
        return _probed(prober, subject)
    except RefusedError as error:
        if error.reason not in _UNDESCRIBED:
            raise
        if error.reason is Reason.PROBE_FAILED and not subject.proven:
            raise UnavailableError(
                Reason.TRUNCATED,
                f"the source does not say how long its answer is, and it cannot be read: {error.public_message}",
            ) from error
        return undescribed(subject, error)


_UNDESCRIBED = frozenset({Reason.UNSUPPORTED_FORMAT, Reason.PIXEL_LIMIT_EXCEEDED, Reason.PROBE_FAILED})


def _probed(prober: Prober, subject: Subject) -> Inspection:
    last_packets = _LastPackets(prober, subject.file, subject.provisional_ms)
    response, _ = prober.ask(ProbeRequest(file=subject.file))
    _raise_failure(response)
    streams = Streams(known_document(response.document))
    media_format, frames = _corrected(prober, subject.file, subject.sniffed, streams)
    _check_type(media_format, subject.expected_type)
    if media_format.kind is not Kind.AUDIO and streams.size is None:
        raise RefusedError(Reason.PROBE_FAILED, "ffprobe finds no picture size in the media; check the file for damage")
    duration = _duration(last_packets, media_format, streams)
    held = _held(last_packets, media_format, duration, proven=subject.proven)
    media = describe(streams, media_format, size_bytes=subject.size_bytes, duration=held or duration, frames=frames)
    doubts = [MediaWarning.DURATION_MISMATCH] if held else []
    return Inspection(media_format, _doubted(media, doubts), streams)


def undescribed(subject: Subject, error: AttemptError) -> Inspection:
    """Return what the first bytes alone show of a file that the prober cannot describe; TypeMismatch.

    Where they do not tell video from sound, the type that the spec expects is believed.
    """
    sniffed, expected = subject.sniffed, subject.expected_type
    media_format = sniffed if expected.accepts_all else sniffed.of_kind(Kind(expected.value))
    _check_type(media_format, expected)
    media = Media(format_name=media_format.format_name)
    doubts = [MediaWarning.DESCRIPTION_MISSING] if media_format.kind.is_media else []
    description = DescriptionOutcome(reason=error.reason, message=error.public_message)
    return Inspection(media_format, _doubted(media, doubts), Streams({}), description)


def _not_probed(sniffed: Format) -> RefusedError:
    if sniffed.kind.is_media:
        return unsupported(f"{sniffed.kind.value} in the format {sniffed.format_name}")
    return RefusedError(
        Reason.NOTHING_TO_DESCRIBE, f"a {sniffed.kind.value} ({sniffed.format_name}) has no pictures and no sound"
    )


def unsupported(what: str) -> RefusedError:
    """Return the refusal of media in a format that the prober does not read."""
    return RefusedError(Reason.UNSUPPORTED_FORMAT, f"the prober does not read {what}")


def _doubted(media: Media, doubts: list[MediaWarning]) -> Media:
    return media.model_copy(update={"warnings": [*(media.warnings or []), *doubts] or None})


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
    sound = sniffed.with_container(str(streams.format.get("format_name")))
    media_format = sound.with_streams(has_video=streams.video is not None, has_audio=streams.audio is not None)
    if media_format.extension not in ANIMATED:
        return media_format, None
    frames = streams.frames or _packet_count(prober, file)
    return media_format.with_frames(frames), frames


def _packet_count(prober: Prober, file: str) -> int | None:
    response, _ = prober.ask(PacketsRequest(file=file))
    counts = [each.get("packets") for each in _packet_sums(response).values()]
    return max((count for count in counts if isinstance(count, int)), default=None)


def _check_type(media_format: Format, expected: MediaType) -> None:
    if expected.accepts_all or expected == media_format.kind.value:
        return
    if media_format.animated and expected is MediaType.VIDEO:
        return
    raise RefusedError(
        Reason.TYPE_MISMATCH,
        f"spec.type is {expected.value}, but the source served {media_format.kind.value} ({media_format.format_name})",
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
    """Return the duration, from the packets where no header has it, or only a guess."""
    if media_format.is_still:
        return None
    duration = streams.duration
    if duration is None or media_format.extension in _ESTIMATED:
        end_ms = last_packets.end_ms_from(0)
        return (end_ms, DurationSource.PACKETS) if end_ms else duration
    return duration


def _held(
    last_packets: _LastPackets, media_format: Format, duration: tuple[int, DurationSource] | None, *, proven: bool
) -> tuple[int, DurationSource] | None:
    """Return the duration of the packets if the header claims more; Truncated if nothing proves that all have come."""
    if duration is None or media_format.extension not in INDEXED:
        return None
    claimed_ms = duration[0]
    end_ms = last_packets.end_ms(claimed_ms)
    if end_ms is None or claimed_ms - end_ms <= max(_MISSING_MS, claimed_ms * _MISSING_SHARE):
        return None
    if not proven:
        raise UnavailableError(
            Reason.TRUNCATED, f"the media's header says {claimed_ms} ms, but its last packet ends at {end_ms} ms"
        )
    return end_ms, DurationSource.PACKETS
