"""Description of the media in the fields of `status.media`, from ffprobe's JSON. Pure.

The JSON comes from a process that a hostile file may have taken over: every value is checked or left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from mediaimport_api.model import MAX_COUNT
from mediaimport_api.result import DESCRIBED, DescriptionOutcome
from mediaimport_api.status import AudioMedia, DurationSource, Kind, Media, MediaWarning, VideoMedia

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mediaimport_importer.media.document import Document
    from mediaimport_importer.media.formats import Format

_MAX_NUMBER = 2**53
_MAX_SECONDS = 1e9
_MAX_SIDE = 1_000_000
"""In pixels: no codec has larger pictures."""
_MAX_WORD = 64
_ESCAPED = '"\\'
"""JSON doubles them: the result has 4096 bytes for all."""
_HDR_TRANSFERS = frozenset({"smpte2084", "arib-std-b67"})
_ALPHA_FORMATS = ("yuva", "rgba", "argb", "bgra", "abgr", "gbrap", "ya8", "ya16", "ayuv", "vuya")
_VARIABLE_BEYOND = 0.02


def _objects(value: object) -> list[Document]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _object(value: object) -> Document:
    return value if isinstance(value, dict) else {}


def _word(value: object) -> str | None:
    """Return a short word of plain ASCII, None for a placeholder such as `unknown`."""
    if not isinstance(value, str | int):
        return None
    plain = "".join(char for char in str(value) if char.isascii() and char.isprintable() and char not in _ESCAPED)
    word = plain[:_MAX_WORD].strip()
    return None if word.lower() in {"", "unknown", "n/a", "reserved"} else word


def _number(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and abs(number) < _MAX_NUMBER else None


def _seconds(value: object) -> float | None:
    number = _number(value)
    return number if number is not None and 0 < number < _MAX_SECONDS else None


def _count(value: object) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number > 0 else None


def _fraction(value: object, separator: str) -> Fraction | None:
    above, _, below = value.partition(separator) if isinstance(value, str) else ("", "", "")
    over, under = _count(above), _count(below)
    return Fraction(over, under) if over and under else None


@dataclass(frozen=True)
class Streams:
    """The parts of ffprobe's document: format, first video and first audio stream, cover."""

    document: Document
    format: Document = field(init=False)
    video: Document | None = field(init=False)
    audio: Document | None = field(init=False)
    has_cover: bool = field(init=False)

    def __post_init__(self) -> None:
        streams = [each for each in _objects(self.document.get("streams")) if _word(each.get("codec_name"))]
        video = [each for each in streams if each.get("codec_type") == "video"]
        main = [each for each in video if not _is_cover(each)]
        audio = [each for each in streams if each.get("codec_type") == "audio"]
        object.__setattr__(self, "format", _object(self.document.get("format")))
        object.__setattr__(self, "video", main[0] if main else None)
        object.__setattr__(self, "audio", audio[0] if audio else None)
        object.__setattr__(self, "has_cover", len(main) < len(video))

    @property
    def duration(self) -> tuple[int, DurationSource] | None:
        """Return the duration in ms from the container, otherwise the longest of the streams."""
        container_s = _seconds(self.format.get("duration"))
        if container_s is not None:
            return round(container_s * 1000), DurationSource.CONTAINER
        durations = [_seconds(each.get("duration")) for each in (self.video, self.audio) if each is not None]
        longest_s = max((each for each in durations if each is not None), default=None)
        return None if longest_s is None else (round(longest_s * 1000), DurationSource.STREAM)

    @property
    def frames(self) -> int | None:
        """Return the number of frames in the video stream's header."""
        return _count((self.video or {}).get("nb_frames"))

    @property
    def hdr(self) -> bool:
        """Tell whether the picture has to be tone-mapped for an ordinary screen."""
        return self.video is not None and _word(self.video.get("color_transfer")) in _HDR_TRANSFERS

    @property
    def size(self) -> tuple[int, int] | None:
        """Return width and height of the picture as stored, None if there is none."""
        video = self.video or {}
        width, height = _count(video.get("width")), _count(video.get("height"))
        return (width, height) if width and height and max(width, height) <= _MAX_SIDE else None

    @property
    def rotation(self) -> int:
        """Return the rotation in degrees clockwise that a viewer applies: 0, 90, 180 or 270.

        It stands in the display matrix of a video stream, or in the EXIF orientation of an image's first frame.
        """
        frame = next(iter(_objects(self.document.get("frames"))), {})
        for holder in (self.video or {}, frame):
            for data in _objects(holder.get("side_data_list")):
                counterclockwise = _number(data.get("rotation"))
                if counterclockwise is not None:
                    return round(-counterclockwise / 90) * 90 % 360
        return 0


def _is_cover(stream: Mapping[str, Any]) -> bool:
    return _object(stream.get("disposition")).get("attached_pic") == 1


@dataclass(frozen=True)
class Inspection:
    """A file as the prober sees it: its corrected format, its description, its streams."""

    format: Format
    media: Media
    streams: Streams
    description: DescriptionOutcome = DESCRIBED

    @property
    def described(self) -> bool:
        """Tell whether the prober could read the file."""
        return self.description.described

    def with_size(self, size: tuple[int, int] | None) -> Inspection:
        """Return the inspection with the size of the picture as its header has it, None if it is unknown."""
        if size is None or max(size) > _MAX_SIDE:
            return self
        width, height = size
        changes = {"width": width, "height": height, "aspect_ratio": _aspect_ratio(width, height)}
        return replace(self, media=self.media.model_copy(update=changes))

    @property
    def ffprobe(self) -> Document:
        """Return ffprobe's JSON."""
        return self.streams.document


def describe(
    streams: Streams,
    media_format: Format,
    *,
    size_bytes: int,
    duration: tuple[int, DurationSource] | None,
    frames: int | None = None,
) -> Media:
    """Return the description. `duration` in ms with its source, None for stills and where it is unknown."""
    width, height = _display_size(streams) if media_format.kind is not Kind.AUDIO else (None, None)
    duration_ms, source = duration or (None, None)
    still = media_format.is_still
    return Media(
        format_name=_word(streams.format.get("format_name")) or media_format.extension,
        duration_ms=duration_ms,
        duration_source=source,
        bit_rate_bps=None if still else _bit_rate(streams, size_bytes, duration_ms),
        width=width,
        height=height,
        aspect_ratio=_aspect_ratio(width, height),
        animated=media_format.animated if media_format.kind is Kind.IMAGE else None,
        video=_video(streams, media_format, frames, duration_ms) if media_format.kind is not Kind.AUDIO else None,
        audio=_audio(streams.audio),
        warnings=[MediaWarning.DURATION_UNKNOWN] if duration is None and not still else None,
    )


def _bit_rate(streams: Streams, size_bytes: int, duration_ms: int | None) -> int | None:
    from_header = _count(streams.format.get("bit_rate"))
    return from_header or (min(size_bytes * 8000 // duration_ms, MAX_COUNT) if duration_ms else None)


def _display_size(streams: Streams) -> tuple[int | None, int | None]:
    """Return width and height as a viewer sees them: with square pixels, rotated."""
    if streams.size is None:
        return None, None
    stretch = _sample_aspect_ratio(streams) or Fraction(1)
    width, height = min(max(1, round(streams.size[0] * stretch)), _MAX_SIDE), streams.size[1]
    return (height, width) if streams.rotation in {90, 270} else (width, height)


def _sample_aspect_ratio(streams: Streams) -> Fraction | None:
    return _fraction((streams.video or {}).get("sample_aspect_ratio"), ":")


def _aspect_ratio(width: int | None, height: int | None) -> str | None:
    if not width or not height:
        return None
    ratio = Fraction(width, height)
    return f"{ratio.numerator}:{ratio.denominator}"


def _video(streams: Streams, media_format: Format, frames: int | None, duration_ms: int | None) -> VideoMedia | None:
    video = streams.video
    if video is None:
        return None
    still = media_format.is_still
    pix_fmt = _word(video.get("pix_fmt"))
    sample = _sample_aspect_ratio(streams)
    return VideoMedia(
        codec_name=_word(video.get("codec_name")) or "?",
        profile=_word(video.get("profile")),
        pix_fmt=pix_fmt,
        coded_width=_count(video.get("coded_width")) or _count(video.get("width")),
        coded_height=_count(video.get("coded_height")) or _count(video.get("height")),
        rotation=streams.rotation,
        sample_aspect_ratio=f"{sample.numerator}:{sample.denominator}" if sample else None,
        avg_frame_rate=None if still else _average(frames, duration_ms) or _rate_text(video.get("avg_frame_rate")),
        # A GIF's or WebP's frames each have a length of their own, in hundredths of a second: no rate to keep.
        variable_frame_rate=None if still or media_format.animated else _is_variable(video),
        frame_count=None if still else frames or streams.frames,
        color_transfer=_word(video.get("color_transfer")),
        hdr=streams.hdr,
        has_alpha=_has_alpha(video, pix_fmt),
    )


def _average(frames: int | None, duration_ms: int | None) -> str | None:
    """Return the average rate of counted frames; ffprobe's own leaves out an APNG's last frame."""
    if not frames or not duration_ms:
        return None
    rate = Fraction(frames * 1000, duration_ms)
    return f"{rate.numerator}/{rate.denominator}"


def _rate_text(value: object) -> str | None:
    rate = _fraction(value, "/")
    return f"{rate.numerator}/{rate.denominator}" if rate else None


def _is_variable(video: Document) -> bool | None:
    average, base = _fraction(video.get("avg_frame_rate"), "/"), _fraction(video.get("r_frame_rate"), "/")
    if average is None or base is None:
        return None
    return abs(average - base) > base * Fraction(_VARIABLE_BEYOND)


def _has_alpha(video: Document, pix_fmt: str | None) -> bool | None:
    seen = _object(video.get("tags")).get("alpha_mode")
    if seen == "1":
        return True
    if seen == "0":
        # The prober has looked: many pictures have a channel that hides nothing.
        return False
    # A palette may or may not have a transparent colour: unknown.
    return None if pix_fmt in {None, "pal8"} else str(pix_fmt).startswith(_ALPHA_FORMATS)


def _audio(audio: Document | None) -> AudioMedia | None:
    if audio is None:
        return None
    return AudioMedia(
        codec_name=_word(audio.get("codec_name")) or "?",
        channels=_count(audio.get("channels")),
        sample_rate_hz=_count(audio.get("sample_rate")),
    )
