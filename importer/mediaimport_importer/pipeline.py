"""One attempt: from a task to an asset in the store, or to the reason why not."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mediaimport_api.names import AssetKeys
from mediaimport_api.reasons import ExitCode
from mediaimport_api.sidecar import source_fingerprint
from mediaimport_api.spec import Expected
from mediaimport_api.status import Step

from mediaimport_importer import background
from mediaimport_importer.download import Fetched, Limits, Watch, download
from mediaimport_importer.errors import AlreadyStoredError, AttemptError
from mediaimport_importer.inspection import Inspection, Shot, final_shot, guess, informed, inspect, shoot
from mediaimport_importer.prober import Prober
from mediaimport_importer.record import Record, Stored, already_stored, sidecar_body
from mediaimport_importer.source.open import Access, opened
from mediaimport_importer.source.pace import Pace
from mediaimport_importer.spool import Spool
from mediaimport_importer.store.place import Place
from mediaimport_importer.thumbnail import Previewer
from mediaimport_importer.upload import Upload

if TYPE_CHECKING:
    from mediaimport_api.result import Result
    from mediaimport_api.sidecar import Sidecar

    from mediaimport_importer.classify import Format
    from mediaimport_importer.interruption import Interruption
    from mediaimport_importer.report import Report
    from mediaimport_importer.settings import Settings
    from mediaimport_importer.source.open import MediaSource
    from mediaimport_importer.store.asset import Session

_OWN_SHARE = 0.9
"""Of the Job's deadline, which began before this process and would end it without a reason."""
_NOT_THE_STORES = frozenset({ExitCode.SOURCE_REFUSED, ExitCode.SOURCE_UNAVAILABLE, ExitCode.MEDIA})


@dataclass
class Attempt:
    """Runs once."""

    settings: Settings
    report: Report
    interruption: Interruption
    begun_s: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        task = self.settings.task
        self.task, self.spec = task, task.spec
        self.place = Place(
            keys=AssetKeys(user_id=task.spec.user_id, asset_id=task.asset_id),
            owner=task.owner,
            fingerprint=source_fingerprint(task.spec.source.url),
        )
        self.file = f"attempt-{task.attempt}-{os.getpid()}"
        self.path = self.settings.scratch_directory / self.file
        self.prober = Prober(self.settings.prober_socket)
        self.deadline_s = self.begun_s + task.deadline_seconds * _OWN_SHARE
        self.upload = Upload(self._open_session, deadline_s=self.deadline_s)
        self.previewer = Previewer(self.prober)

    def run(self) -> Result:
        """Return what was imported; AttemptError if nothing was."""
        try:
            return self._import()
        except AlreadyStoredError as found:
            self.report.say("the asset is stored already")
            if not found.has_thumbnail:
                self._mend_thumbnail(found.sidecar)
            return already_stored(found.sidecar)

    def _import(self) -> Result:
        if self.task.attempt > 1 or self.task.run:
            # A former attempt may have done it all: no hurry then, and no second download.
            self.upload.session()
        with Spool(self.path, max_bytes=self.settings.scratch_bytes) as spool:
            try:
                return self._tee(spool)
            except AttemptError as error:
                if error.reason.facts.exit_code in _NOT_THE_STORES:
                    self._unless_stored()
                raise
            finally:
                self.upload.stop()

    def _unless_stored(self) -> None:
        """Raise AlreadyStoredError if the asset is stored: a source that is gone by now is no failure of it."""
        with suppress(AttemptError):
            self.upload.session()

    def _mend_thumbnail(self, sidecar: Sidecar) -> None:
        """Make a lost thumbnail again, from the stored original: the source may be gone by now."""
        from mediaimport_importer.store.asset import stored  # noqa: PLC0415
        from mediaimport_importer.store.bucket import connect  # noqa: PLC0415 - see _open_session

        self.report.step(Step.THUMBNAIL, "making a lost thumbnail again")
        whole = Limits(sidecar.asset.size_bytes, self.settings.scratch_bytes, Expected(sha256=sidecar.asset.sha256))
        with Spool(self.path, max_bytes=self.settings.scratch_bytes) as spool:
            with stored(self.settings.store, sidecar.asset.key) as source:
                fetched = download(source, spool, whole, Watch(lambda _: None, lambda _: None))
            request = guess(self.file, self.spec.thumbnail, fetched.sniffed)
            hdr = sidecar.media.video is not None and sidecar.media.video.hdr is True
            shot = shoot(self.prober, informed(request, kind=sidecar.asset.kind, hdr=hdr))
        if shot.jpeg:
            bucket = connect(self.settings.store)
            bucket.put(self.place.keys.thumbnail, shot.jpeg, content_type="image/jpeg", exclusive=False)

    def _tee(self, spool: Spool) -> Result:
        fetched = self._fetch(spool)
        request = guess(self.file, self.spec.thumbnail, fetched.sniffed)
        first_shot = background.start("thumbnail", lambda: self.previewer.shot(request))
        self.report.step(Step.PROBE, f"probing {fetched.content.size_bytes} bytes of {fetched.sniffed.extension}")
        inspection = inspect(
            self.prober,
            self.file,
            fetched.sniffed,
            asked=self.spec.type,
            size_bytes=fetched.content.size_bytes,
            guessed_ms=self.previewer.duration_ms,
        )
        spool.release()
        stored = self._store(spool, fetched, inspection)
        self.report.step(Step.THUMBNAIL, "making the thumbnail")
        shot = final_shot(self.prober, request, first_shot.result(), inspection)
        with self.interruption.held():
            return self._commit(fetched, inspection, shot, stored)

    def _fetch(self, spool: Spool) -> Fetched:
        limits = Limits(
            max_bytes=self.task.max_size_bytes,
            scratch_bytes=self.settings.scratch_bytes,
            expected=self.spec.expected,
        )
        self.report.step(Step.CONNECT, "asking the source")
        settings, pace = self.settings, Pace(deadline_s=self.deadline_s)
        # The store is looked at while the source thinks; before that it would only delay the request.
        access = Access(settings.policy, pace, settings.proxy, settings.headers_directory, asked=self.upload.look)
        with opened(self.spec.source, access) as source:
            limits.check_promise(source.size_bytes)
            return download(source, spool, limits, self._watch(source, spool))

    def _watch(self, source: MediaSource, spool: Spool) -> Watch:
        def classified(form: Format) -> None:
            self.upload.begin(form, spool, size_bytes=source.size_bytes, max_bytes=self.task.max_size_bytes)
            self.previewer.expect(guess(self.file, self.spec.thumbnail, form), form.extension)

        def advanced(size_bytes: int) -> None:
            self.upload.check()
            self.previewer.advanced(size_bytes)
            self.report.download(size_bytes, source.size_bytes)

        return Watch(classified, advanced)

    def _store(self, spool: Spool, fetched: Fetched, inspection: Inspection) -> Stored:
        etag = self.upload.finish(inspection.format, spool, fetched.content)
        session = self.upload.session()
        return Stored(session.bucket.name, session.target(inspection.format).key, etag)

    def _commit(self, fetched: Fetched, inspection: Inspection, shot: Shot, stored: Stored) -> Result:
        self.report.step(Step.COMMIT, "storing thumbnail and sidecar")
        session = self.upload.session()
        record = Record(self.task, self.place, fetched.content, inspection, shot, stored, datetime.now(UTC))
        if shot.jpeg:
            session.put_thumbnail(shot.jpeg)
        sidecar = record.sidecar
        return record.result(session.commit(sidecar, sidecar_body(sidecar)))

    def _open_session(self) -> Session:
        """Connect to the store. Imported here: boto3 takes longer to import than a source to answer."""
        from mediaimport_importer.store.asset import open_session  # noqa: PLC0415

        return open_session(self.settings.store, self.place)
