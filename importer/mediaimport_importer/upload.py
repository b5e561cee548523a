"""The upload of the original during the download: the store may answer late, fail, or be slower than the source."""

from __future__ import annotations

import time
from concurrent.futures import Future, wait
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from mediaimport_api.reasons import Reason

from mediaimport_importer import background
from mediaimport_importer.errors import ObjectExistsError, UnavailableError
from mediaimport_importer.spool import Content, Reader, Spool

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_importer.media.classify import Format
    from mediaimport_importer.store.asset import Session

T = TypeVar("T")

STOP_S = 10.0
"""Time for an upload that is stopped to clean up after itself."""


class _StoppedError(Exception):
    """The upload was stopped because it is obsolete."""


@dataclass
class Upload:
    """One asset's original. `open_session` imports boto3, which takes longer than a source to answer."""

    open_session: Callable[[], Session]
    deadline_s: float
    now: Callable[[], float] = time.monotonic
    _session: Future[Session] | None = field(default=None, init=False)
    _first: Future[str] | None = field(default=None, init=False)
    _format: Format | None = field(default=None, init=False)
    _reader: Reader | None = field(default=None, init=False)

    def prepare(self) -> Future[Session]:
        """Start to open the session; the future raises AlreadyStoredError or AssetTaken."""
        if self._session is None:
            self._session = background.start("session", self.open_session)
        return self._session

    def session(self) -> Session:
        """Return the session; if the store was unavailable when it was opened, try once more."""
        try:
            return self._within_deadline(self.prepare())
        except UnavailableError:
            self._session = None
            return self._within_deadline(self.prepare())

    def start(self, media_format: Format, spool: Spool, *, size_bytes: int | None, max_bytes: int) -> None:
        """Start to store the bytes that arrive in the spool."""
        session, reader = self.prepare(), Reader(spool)
        self._format, self._reader = media_format, reader

        def work() -> str:
            with closing(reader):
                return session.result().upload(media_format, reader, size_bytes=size_bytes, max_bytes=max_bytes)

        self._first = background.start("upload", work)

    def raise_failure(self) -> None:
        """Raise a failure that no second upload can cure; a store that is unavailable may be back in time."""
        for future in (self._session, self._first):
            error = future.exception() if future is not None and future.done() else None
            if error is not None and not isinstance(error, UnavailableError | ObjectExistsError):
                raise error

    def finish(self, media_format: Format, spool: Spool, content: Content) -> str:
        """Wait until the original is stored, with a second upload if the first failed; return its etag."""
        session, check_first = self.session(), False
        if media_format == self._format and self._first is not None:
            try:
                return self._within_deadline(self._first)
            except (UnavailableError, ObjectExistsError):
                check_first = True
        self.stop()
        return session.reupload(media_format, spool, content, check_first=check_first)

    def stop(self) -> None:
        """End the first upload and wait until it has cleaned up."""
        if self._reader is not None:
            self._reader.stop(_StoppedError())
        if self._first is not None:
            wait([self._first], timeout=STOP_S)

    def _within_deadline(self, future: Future[T]) -> T:
        try:
            return future.result(timeout=max(0.0, self.deadline_s - self.now()))
        except FutureTimeoutError:
            if future.done():
                raise
            raise UnavailableError(
                Reason.STORE_UNAVAILABLE,
                "the store did not accept the media within limits.deadlineSeconds; raise that limit if the store is"
                " just slow",
            ) from None
