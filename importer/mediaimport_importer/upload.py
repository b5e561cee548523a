"""The original's way into the store, beside the download: the store may come late, break, or be slower."""

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
from mediaimport_importer.spool import Reader, Spool

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_importer.classify import Format
    from mediaimport_importer.content import Content
    from mediaimport_importer.store.asset import Session

T = TypeVar("T")

STOP_S = 10.0
"""How long an upload that is to stop may take to leave nothing behind."""


class _StoppedError(Exception):
    """This upload is not wanted any more."""


@dataclass
class Upload:
    """One asset's original. `open_session` imports boto3, which takes longer than a source to answer: start it late."""

    open_session: Callable[[], Session]
    deadline_s: float
    now: Callable[[], float] = time.monotonic
    _session: Future[Session] | None = field(default=None, init=False)
    _first: Future[str] | None = field(default=None, init=False)
    _form: Format | None = field(default=None, init=False)
    _reader: Reader | None = field(default=None, init=False)

    def look(self) -> Future[Session]:
        """Start to look what is there; the future raises AlreadyStoredError or AssetTaken."""
        if self._session is None:
            self._session = background.start("look", self.open_session)
        return self._session

    def session(self) -> Session:
        """Return the session; if the store was unavailable when it was opened, try once more."""
        try:
            return self._within_deadline(self.look())
        except UnavailableError:
            self._session = None
            return self._within_deadline(self.look())

    def begin(self, form: Format, spool: Spool, *, size_bytes: int | None, max_bytes: int) -> None:
        """Start to store what arrives in the spool."""
        opened, reader = self.look(), Reader(spool)
        self._form, self._reader = form, reader

        def work() -> str:
            with closing(reader):
                return opened.result().follow(form, reader, size_bytes=size_bytes, max_bytes=max_bytes)

        self._first = background.start("upload", work)

    def check(self) -> None:
        """Raise what makes it pointless to go on. A store that is unavailable may be back when the file is complete."""
        for future in (self._session, self._first):
            error = future.exception() if future is not None and future.done() else None
            if error is not None and not isinstance(error, UnavailableError | ObjectExistsError):
                raise error

    def finish(self, form: Format, spool: Spool, content: Content) -> str:
        """Wait until the original is stored, storing it again if need be; return its etag."""
        session, look = self.session(), False
        if form == self._form and self._first is not None:
            try:
                return self._within_deadline(self._first)
            except (UnavailableError, ObjectExistsError):
                look = True
        self.stop()
        return session.again(form, spool, content, look=look)

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
                Reason.STORE_UNAVAILABLE, "the store did not take the media within limits.deadlineSeconds"
            ) from None
