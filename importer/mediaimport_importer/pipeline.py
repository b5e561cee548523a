"""The pipeline of one attempt: download, upload, probe, thumbnail, commit."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from mediaimport_api.names import AssetKeys
from mediaimport_api.reasons import MAX_MESSAGE, ExitCode, Reason
from mediaimport_api.spec import Expected, Undescribed
from mediaimport_api.status import Step

from mediaimport_importer import background
from mediaimport_importer.download import Downloaded, DownloadObserver, Limits, download
from mediaimport_importer.errors import (
    AlreadyStoredError,
    AttemptError,
    RefusedError,
    StarvedProberError,
    UnavailableError,
)
from mediaimport_importer.media.dimensions import header_size
from mediaimport_importer.media.inspection import Subject, inspect, undescribed
from mediaimport_importer.media.thumbnail import (
    Previewer,
    Thumbnail,
    final_thumbnail,
    provisional,
    refined,
    render,
    without_picture,
)
from mediaimport_importer.prober import Prober
from mediaimport_importer.record import Original, Record, already_stored, sidecar_body
from mediaimport_importer.source.guard import Pace
from mediaimport_importer.source.open import DEADLINE_SHARE, Access, MediaSource, opened
from mediaimport_importer.spool import Spool
from mediaimport_importer.upload import Upload

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from mediaimport_api.result import Result
    from mediaimport_api.sidecar import Sidecar
    from mediaimport_prober.protocol import ThumbnailRequest

    from mediaimport_importer.early import EarlyRequest
    from mediaimport_importer.media.formats import Format
    from mediaimport_importer.media.streams import Inspection
    from mediaimport_importer.report import Report
    from mediaimport_importer.settings import Settings
    from mediaimport_importer.store.asset import Session

_PROBER_SHARE = 0.6
"""Of the Job's deadline: until then a prober that its node has starved is asked again."""
_RETRY_MARGIN = timedelta(minutes=5)
"""An attempt that runs out of memory is followed by another within this time, if the cluster has room for it."""
_SOURCE_FAILURES = frozenset({ExitCode.SOURCE_REFUSED, ExitCode.SOURCE_UNAVAILABLE, ExitCode.MEDIA})


_FAULTS_OF_THE_PROBER = frozenset({Reason.OUT_OF_MEMORY, Reason.UNEXPECTED})
"""Reasons of a probe that failed for no fault of the file; another attempt may describe it."""


def _refused(inspection: Inspection) -> RefusedError:
    description = inspection.description
    reason = Reason.NOT_MEDIA if description.reason is Reason.NOTHING_TO_DESCRIBE else description.reason
    return RefusedError(reason, f"{description.message}, and spec.undescribed is Refuse")


@dataclass
class Attempt:
    """One attempt, run once. Inside `defer_signals` SIGTERM does not interrupt it."""

    settings: Settings
    report: Report
    defer_signals: Callable[[], AbstractContextManager[None]]
    begun_s: float = field(default_factory=time.monotonic)
    sleep: Callable[[float], None] = time.sleep
    """The wait before a source or the store is asked again."""
    early: EarlyRequest | None = None
    """The request to the source, if it was sent before this attempt began."""

    def __post_init__(self) -> None:
        task = self.settings.task
        self.task, self.spec = task, task.spec
        self.file = f"attempt-{task.attempt}-{os.getpid()}"
        self.path = self.settings.scratch_directory / self.file
        self.prober = Prober(
            self.settings.prober_socket, deadline_s=self.begun_s + task.deadline_seconds * _PROBER_SHARE
        )
        self.deadline_s = self.begun_s + task.deadline_seconds * DEADLINE_SHARE
        self.upload = Upload(
            self._open_session, deadline_s=self.deadline_s, on_wait=self.report.waits, sleep=self.sleep
        )
        self.previewer = Previewer(self.prober)

    def run(self) -> Result:
        """Return the result of an import; AttemptError if nothing was imported."""
        try:
            result = self._import()
        except AlreadyStoredError as found:
            self.report.say("the asset is stored already")
            if not found.has_thumbnail:
                self._restore_thumbnail(found.sidecar)
            result = already_stored(found.sidecar)
        return self._without_incoming(result)

    def _without_incoming(self, result: Result) -> Result:
        """Remove the object of `source.store`, now that it is imported; the result says if it is left."""
        incoming = self.spec.source.store
        if incoming is None:
            return result
        from mediaimport_importer.store.object_source import remove_incoming  # noqa: PLC0415 - see _open_session

        left = remove_incoming(self.settings.store, incoming.key, sleep=self.sleep)
        if left is None:
            return result
        warning = f"{incoming.key} is left, for a lifecycle rule of the bucket: {left}"
        self.report.say(warning, level="warning")
        return result.model_copy(update={"message": f"{result.message}; {warning}"[:MAX_MESSAGE]})

    def _import(self) -> Result:
        if self.task.attempt > 1 or self.task.run or self.spec.source.store is not None:
            # An earlier attempt may have stored the asset: a look at the store may save a download, and an object of
            # the store is removed by then. A store that is away must not delay a download: the source may be gone when
            # the store is back.
            with suppress(UnavailableError):
                self.upload.session()
        with Spool(self.path, max_bytes=self.settings.scratch_bytes) as spool:
            try:
                return self._import_through(spool)
            except AttemptError as error:
                if error.reason.facts.exit_code in _SOURCE_FAILURES:
                    self._raise_if_stored()
                raise
            finally:
                self.upload.stop()

    def _raise_if_stored(self) -> None:
        """Raise AlreadyStoredError if the asset is stored: then a source that is gone by now is no failure."""
        with suppress(AttemptError):
            self.upload.session()

    def _restore_thumbnail(self, sidecar: Sidecar) -> None:
        """Render a lost thumbnail from the stored original: the source may be gone by now."""
        from mediaimport_importer.store.asset import Location, put_thumbnail  # noqa: PLC0415 - see _open_session
        from mediaimport_importer.store.bucket import connect  # noqa: PLC0415 - see _open_session
        from mediaimport_importer.store.object_source import stored  # noqa: PLC0415 - see _open_session

        self.report.step(Step.THUMBNAIL, "restoring a lost thumbnail")
        limits = Limits(sidecar.asset.size_bytes, self.settings.scratch_bytes, Expected(sha256=sidecar.asset.sha256))
        with Spool(self.path, max_bytes=self.settings.scratch_bytes) as spool:
            with stored(self.settings.store, sidecar.asset.key) as source:
                downloaded = download(source, spool, limits, DownloadObserver(lambda _: None, lambda _: None))
            request = provisional(self.file, self.spec.thumbnail, downloaded.sniffed)
            hdr = sidecar.media.video is not None and sidecar.media.video.hdr is True
            thumbnail = render(self.prober, refined(request, kind=sidecar.asset.kind, hdr=hdr))
        if thumbnail.jpeg:
            put_thumbnail(connect(self.settings.store), Location.of(self.task), thumbnail.jpeg)

    def _import_through(self, spool: Spool) -> Result:
        downloaded = self._download(spool)
        content, sniffed = downloaded.content, downloaded.sniffed
        request = provisional(self.file, self.spec.thumbnail, sniffed)
        first = background.start("thumbnail", lambda: self._first_thumbnail(request, sniffed))
        self.report.step(Step.PROBE, f"probing {content.size_bytes} bytes of {sniffed.format_name}")
        inspection = self._inspect(downloaded)
        if inspection.format != sniffed:
            # Its name is wrong: once the spool is released, the upload could still complete.
            self.upload.stop()
        spool.release()
        original = self._store(spool, downloaded, inspection)
        self.report.step(Step.THUMBNAIL, "rendering the thumbnail")
        thumbnail = final_thumbnail(self.prober, request, first.result(), inspection)
        with self.defer_signals():
            return self._commit(inspection, thumbnail, original)

    def _first_thumbnail(self, request: ThumbnailRequest, sniffed: Format) -> Thumbnail:
        return self.previewer.thumbnail(request) if sniffed.probed else without_picture(sniffed)

    def _inspect(self, downloaded: Downloaded) -> Inspection:
        """Return the inspection; the spec may refuse what cannot be described."""
        inspection = self._kept(downloaded)
        if inspection.described:
            return inspection
        if not self._keeps_undescribed:
            raise _refused(inspection)
        with self.path.open("rb") as file:
            return inspection.with_size(header_size(file, inspection.format.extension))

    def _kept(self, downloaded: Downloaded) -> Inspection:
        """Return the inspection; of media that no prober can read or has the memory for, what its first bytes show."""
        subject = Subject(
            self.file,
            downloaded.sniffed,
            expected_type=self.spec.type,
            size_bytes=downloaded.content.size_bytes,
            proven=downloaded.proven,
            provisional_ms=self.previewer.duration_ms,
        )
        try:
            return inspect(self.prober, subject)
        except UnavailableError as error:
            if error.reason not in _FAULTS_OF_THE_PROBER or not (self._may_keep(error) and self._keeps_undescribed):
                raise
            self.report.say(f"storing the media without description: {error.public_message}", level="warning")
            return undescribed(subject, error)

    def _may_keep(self, error: UnavailableError) -> bool:
        """Tell whether no other attempt could do better: a busy node was asked more than once already."""
        return isinstance(error, StarvedProberError) or self._is_last_chance

    @property
    def _keeps_undescribed(self) -> bool:
        return self.spec.undescribed is Undescribed.KEEP

    @property
    def _is_last_chance(self) -> bool:
        """Tell whether no attempt has more memory or follows at all, or the source is gone before it can be asked."""
        expires_at = self.spec.source.expires_at
        soon = datetime.now(UTC) + _RETRY_MARGIN
        last = self.task.more_memory or self.task.attempt >= self.spec.limits.attempts
        return last or (expires_at is not None and expires_at <= soon)

    def _download(self, spool: Spool) -> Downloaded:
        limits = Limits(self.task.max_size_bytes, self.settings.scratch_bytes, self.spec.expected)
        self.report.step(Step.CONNECT, "requesting the source")
        with self._requested() as source:
            limits.check_content_length(source.size_bytes)
            return download(source, spool, limits, self._observer(source, spool))

    def _requested(self) -> AbstractContextManager[MediaSource]:
        """Return the source of the early request, or of one that is sent now."""
        if self.early is not None:
            self.upload.prepare()
            return self.early
        settings = self.settings
        access = Access(
            settings.policy,
            Pace(deadline_s=self.deadline_s, first_byte_s=settings.first_byte_s),
            settings.proxy,
            settings.headers_directory,
            # Importing botocore before the request is sent would only delay the request.
            on_request_sent=self.upload.prepare,
            created_at=self.task.created_at,
            sleep=self.sleep,
        )
        return self._opened(access)

    def _opened(self, access: Access) -> AbstractContextManager[MediaSource]:
        """Return the source, opened: a URL, or an object of the store."""
        if self.spec.source.store is None:
            return opened(self.spec.source, access)
        from mediaimport_importer.store.object_source import stored  # noqa: PLC0415 - see _open_session

        return stored(self.settings.store, self.spec.source.store.key, sleep=self.sleep)

    def _observer(self, source: MediaSource, spool: Spool) -> DownloadObserver:
        def on_format(media_format: Format) -> None:
            self.upload.start(media_format, spool, size_bytes=source.size_bytes, max_bytes=self.task.max_size_bytes)
            self.previewer.expect(provisional(self.file, self.spec.thumbnail, media_format), media_format.extension)

        def on_progress(size_bytes: int) -> None:
            self.upload.raise_failure()
            self.previewer.on_progress(size_bytes)
            self.report.download(size_bytes, source.size_bytes)

        return DownloadObserver(on_format, on_progress)

    def _store(self, spool: Spool, downloaded: Downloaded, inspection: Inspection) -> Original:
        content = downloaded.content
        stored = self.upload.finish(inspection.format, spool, content)
        session = self.upload.session()
        key = session.target(inspection.format).key
        return Original(
            session.bucket.name,
            key,
            stored.etag,
            content.size_bytes,
            content.sha256,
            verified=stored.has_checksum,
            proven=downloaded.proven,
        )

    def _commit(self, inspection: Inspection, thumbnail: Thumbnail, original: Original) -> Result:
        self.report.step(Step.COMMIT, "storing thumbnail and sidecar")
        session = self.upload.session()
        keys = AssetKeys(user_id=self.spec.user_id, asset_id=self.task.asset_id)
        outcome = thumbnail.outcome(keys.thumbnail)
        record = Record(self.task, inspection, original, outcome, thumbnail.luma, datetime.now(UTC))
        if thumbnail.jpeg:
            jpeg = thumbnail.jpeg
            self.upload.patiently(lambda: session.put_thumbnail(jpeg))
        sidecar = record.sidecar
        body = sidecar_body(sidecar)
        return record.result(self.upload.patiently(lambda: session.commit(sidecar, body)))

    def _open_session(self) -> Session:
        """Open the session. The import is lazy: botocore takes longer to import than a source to answer."""
        if self.early is not None:
            self.early.wait_until_sent()
        from mediaimport_importer.store.asset import open_session  # noqa: PLC0415 - botocore is slow to import

        return open_session(self.settings.store, self.task, sleep=self.sleep)
