"""What the beginning of a file shows while the rest arrives: work that would else come after the last byte."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mediaimport_api.reasons import Reason
from mediaimport_prober.protocol import ProbeRequest

from mediaimport_importer import background
from mediaimport_importer.errors import AttemptError
from mediaimport_importer.inspection import INDEXED, Shot, shoot
from mediaimport_importer.media import Streams

if TYPE_CHECKING:
    from concurrent.futures import Future

    from mediaimport_prober.protocol import ThumbnailRequest

    from mediaimport_importer.prober import Prober

ENOUGH_BYTES = 16 * 1024 * 1024
"""More than an index at the start and a first frame of any size that is decoded."""


@dataclass(frozen=True)
class Preview:
    """A thumbnail, and how long the media says it lasts; each only if the beginning is enough to tell."""

    shot: Shot | None
    duration_ms: int | None


@dataclass
class Previewer:
    """Looks once, as soon as there is enough of a file that has its index at its start."""

    prober: Prober
    _wanted: ThumbnailRequest | None = field(default=None, init=False)
    _looked: Future[Preview] | None = field(default=None, init=False)

    def expect(self, request: ThumbnailRequest, extension: str) -> None:
        """Take note of what is coming."""
        self._wanted = request if extension in INDEXED else None

    def advanced(self, size_bytes: int) -> None:
        """Take note of how much of the file is there."""
        wanted = self._wanted
        if wanted is not None and self._looked is None and size_bytes >= ENOUGH_BYTES:
            self._looked = background.start("preview", lambda: self._look(wanted))

    @property
    def looked(self) -> bool:
        """Tell whether all that the beginning shows is known."""
        return self._looked is not None and self._looked.done()

    @property
    def duration_ms(self) -> int | None:
        """Return the duration if it is known by now: a guess, which the whole file has to confirm."""
        return self._looked.result().duration_ms if self._looked is not None and self.looked else None

    def shot(self, request: ThumbnailRequest) -> Shot:
        """Return the thumbnail; taken of the whole file if its beginning was not enough."""
        early = self._looked.result().shot if self._looked is not None else None
        return early or shoot(self.prober, request)

    def _look(self, request: ThumbnailRequest) -> Preview:
        shot = shoot(self.prober, request)
        return Preview(shot if shot.reason is Reason.THUMBNAIL_STORED else None, self._duration_ms(request.file))

    def _duration_ms(self, file: str) -> int | None:
        try:
            response, _ = self.prober.ask(ProbeRequest(file=file))
        except AttemptError:
            return None
        named = Streams(response.document or {}).duration
        return named[0] if named else None
