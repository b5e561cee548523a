"""The thumbnail, rendered by the prober: where possible from the beginning of the file, while the rest arrives."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mediaimport_api.reasons import Reason
from mediaimport_api.result import ThumbnailOutcome
from mediaimport_api.spec import ThumbnailFrame, ThumbnailSpec
from mediaimport_api.status import Kind
from mediaimport_api.status import Thumbnail as StoredThumbnail
from mediaimport_prober.protocol import Picture, ProbeRequest, ThumbnailRequest

from mediaimport_importer import background
from mediaimport_importer.errors import AttemptError
from mediaimport_importer.media.document import known_document
from mediaimport_importer.media.formats import INDEXED, Format
from mediaimport_importer.media.streams import Inspection, Streams

if TYPE_CHECKING:
    from concurrent.futures import Future

    from mediaimport_importer.prober import Prober

PREVIEW_BYTES = 16 * 1024 * 1024
"""More than an index at the start and a first frame of any size that is decoded."""
CONTENT_TYPE = "image/jpeg"
_JPEG_MARKER = 0xFF
_JPEG_FRAMES = frozenset({0xC0, 0xC1, 0xC2})


@dataclass(frozen=True)
class Thumbnail:
    """A JPEG and the brightness of its frame, or the reason why there is none."""

    reason: Reason
    message: str
    jpeg: bytes = b""
    luma: float | None = None

    def outcome(self, key: str) -> ThumbnailOutcome:
        """Return the part of the result that describes this thumbnail, stored under `key`."""
        size = jpeg_size(self.jpeg)
        if size is None:
            return ThumbnailOutcome(reason=self.reason, message=self.message)
        width, height = size
        stored = StoredThumbnail(
            key=key, content_type=CONTENT_TYPE, width=width, height=height, size_bytes=len(self.jpeg)
        )
        return ThumbnailOutcome(reason=self.reason, message=self.message, thumbnail=stored)


def jpeg_size(jpeg: bytes) -> tuple[int, int] | None:
    """Return width and height from a JPEG's header, None if the bytes are no JPEG."""
    if not jpeg.startswith(b"\xff\xd8\xff"):
        return None
    at = 2
    while at + 9 <= len(jpeg) and jpeg[at] == _JPEG_MARKER:
        marker, length = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if marker in _JPEG_FRAMES:
            return int.from_bytes(jpeg[at + 7 : at + 9], "big"), int.from_bytes(jpeg[at + 5 : at + 7], "big")
        at += 2 + length
    return None


def provisional(file: str, spec: ThumbnailSpec, sniffed: Format) -> ThumbnailRequest:
    """Return the request that can be made before the probe: ffmpeg then runs next to ffprobe."""
    picture = Picture.ATTACHED if sniffed.kind is Kind.AUDIO else Picture.MAIN
    return ThumbnailRequest(file=file, width_pixels=spec.width_pixels, frame=spec.frame, picture=picture)


def refined(request: ThumbnailRequest, *, kind: Kind, hdr: bool) -> ThumbnailRequest:
    """Return the request that the probe calls for; if it equals the provisional one, the first thumbnail is right."""
    audio = kind is Kind.AUDIO
    picture = Picture.ATTACHED if audio else Picture.MAIN
    return request.model_copy(update={"picture": picture, "tone_map": hdr and not audio})


def render(prober: Prober, request: ThumbnailRequest) -> Thumbnail:
    """Return the thumbnail. A failure is recorded in it and does not fail the import."""
    try:
        response, jpeg = prober.ask(request)
    except AttemptError as error:
        return Thumbnail(Reason.THUMBNAIL_FAILED, error.public_message)
    if response.failure is not None or jpeg_size(jpeg) is None:
        return Thumbnail(Reason.THUMBNAIL_FAILED, response.message or "the prober sent no JPEG")
    return Thumbnail(Reason.THUMBNAIL_STORED, "the thumbnail is stored", jpeg, response.luma)


def without_picture(media_format: Format) -> Thumbnail:
    """Return the outcome for a file of which none is rendered."""
    name = media_format.format_name
    if media_format.kind in {Kind.VIDEO, Kind.IMAGE}:
        return Thumbnail(Reason.THUMBNAIL_FAILED, f"the prober does not render {name}")
    return Thumbnail(Reason.NO_PICTURE, f"a file of kind {media_format.kind.value} ({name}) has no picture")


def final_thumbnail(prober: Prober, request: ThumbnailRequest, first: Thumbnail, inspection: Inspection) -> Thumbnail:
    """Return the first thumbnail if it shows the right picture, or if nothing is known of it; otherwise another one."""
    if not inspection.described:
        return first
    if inspection.format.kind is Kind.AUDIO and not inspection.streams.has_cover:
        return Thumbnail(Reason.NO_PICTURE, "the audio has no cover")
    better = refined(request, kind=inspection.format.kind, hdr=inspection.streams.hdr)
    thumbnail = first if better == request else render(prober, better)
    if thumbnail.reason is Reason.THUMBNAIL_FAILED and better.frame is not ThumbnailFrame.FIRST:
        thumbnail = render(prober, better.model_copy(update={"frame": ThumbnailFrame.FIRST}))
    return replace(thumbnail, jpeg=b"") if thumbnail.reason is not Reason.THUMBNAIL_STORED else thumbnail


@dataclass(frozen=True)
class Preview:
    """The thumbnail and the duration, each only if the beginning of the file shows it."""

    thumbnail: Thumbnail | None
    duration_ms: int | None


@dataclass
class Previewer:
    """Renders one preview, as soon as enough has arrived of a file that has its index at its start."""

    prober: Prober
    _request: ThumbnailRequest | None = field(default=None, init=False)
    _preview: Future[Preview] | None = field(default=None, init=False)

    def expect(self, request: ThumbnailRequest, extension: str) -> None:
        """Set the request to make when enough of the file has arrived."""
        self._request = request if extension in INDEXED else None

    def on_progress(self, size_bytes: int) -> None:
        """Start the preview once PREVIEW_BYTES have arrived."""
        request = self._request
        if request is not None and self._preview is None and size_bytes >= PREVIEW_BYTES:
            self._preview = background.start("preview", lambda: self._render(request))

    @property
    def done(self) -> bool:
        """Tell whether the preview has ended."""
        return self._preview is not None and self._preview.done()

    @property
    def duration_ms(self) -> int | None:
        """Return the duration if it is known by now: provisional until the whole file confirms it."""
        return self._preview.result().duration_ms if self._preview is not None and self.done else None

    def thumbnail(self, request: ThumbnailRequest) -> Thumbnail:
        """Return the preview's thumbnail; render the whole file if its beginning was not enough."""
        early = self._preview.result().thumbnail if self._preview is not None else None
        return early or render(self.prober, request)

    def _render(self, request: ThumbnailRequest) -> Preview:
        thumbnail = render(self.prober, request)
        stored = thumbnail if thumbnail.reason is Reason.THUMBNAIL_STORED else None
        return Preview(stored, self._duration_ms(request.file))

    def _duration_ms(self, file: str) -> int | None:
        try:
            response, _ = self.prober.ask(ProbeRequest(file=file))
        except AttemptError:
            return None
        duration = Streams(known_document(response.document)).duration
        return duration[0] if duration else None
