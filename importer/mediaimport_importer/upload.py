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
from mediaimport_importer.errors import CredentialsExpiredError, ObjectExistsError, UnavailableError
from mediaimport_importer.spool import Content, Reader, Spool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mediaimport_importer.media.formats import Format
    from mediaimport_importer.store.asset import Session
    from mediaimport_importer.store.bucket import Stored

T = TypeVar("T")

STOP_S = 10.0
"""Time for an upload that is stopped to clean up after itself."""


MAX_WAIT_S = 30.0


class _StoppedError(Exception):
    """The upload was stopped because it is obsolete."""


def _waits() -> Iterator[float]:
    """Yield the waits between tries: 1, 2, 4 … MAX_WAIT_S seconds."""
    wait_s = 1.0
    while True:
        yield wait_s
        wait_s = min(wait_s * 2, MAX_WAIT_S)


@dataclass
class Upload:
    """One asset's original. `open_session` imports botocore, which takes longer than a source to answer."""

    open_session: Callable[[], Session]
    deadline_s: float
    on_wait: Callable[[str], None] = lambda _: None
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _session: Future[Session] | None = field(default=None, init=False)
    _first: Future[Stored] | None = field(default=None, init=False)
    _format: Format | None = field(default=None, init=False)
    _reader: Reader | None = field(default=None, init=False)
    _check_first: bool = field(default=False, init=False)

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

        def work() -> Stored:
            with closing(reader):
                return session.result().upload(media_format, reader, size_bytes=size_bytes, max_bytes=max_bytes)

        self._first = background.start("upload", work)

    def raise_failure(self) -> None:
        """Raise a failure that no second upload can cure; a store that is unavailable may be back in time."""
        for future in (self._session, self._first):
            error = future.exception() if future is not None and future.done() else None
            if error is not None and not isinstance(error, UnavailableError | ObjectExistsError):
                raise error

    def finish(self, media_format: Format, spool: Spool, content: Content) -> Stored:
        """Wait until the original is stored and verified, with a second upload if the first failed.

        While the store is unavailable, the media waits in the scratch file: its source may be gone by now.
        """
        return self.patiently(lambda: self._finish(media_format, spool, content))

    def patiently(self, operation: Callable[[], T]) -> T:
        """Repeat an operation while the store is unavailable, with growing waits, as long as the deadline allows."""
        for wait_s in _waits():
            try:
                return operation()
            except CredentialsExpiredError:
                raise
            except UnavailableError as error:
                if error.reason is not Reason.STORE_UNAVAILABLE or self.now() + wait_s >= self.deadline_s:
                    raise
                self.on_wait(f"{error.public_message}; the media is kept, the next try is in {wait_s:.0f} s")
                self.sleep(wait_s)
        raise AssertionError("the waits have no end")

    def _finish(self, media_format: Format, spool: Spool, content: Content) -> Stored:
        session, first = self.session(), self._first
        if first is not None and media_format == self._format:
            try:
                stored = self._within_deadline(first)
                return session.verified(media_format, stored, content)
            except (UnavailableError, ObjectExistsError):
                self._check_first = True
        self.stop()
        self._first = None
        return session.reupload(media_format, spool, content, check_first=self._check_first)

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
