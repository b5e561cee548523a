from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api import names
from mediaimport_api.environment import Environment
from mediaimport_api.names import AssetKeys, job_name, run_hash
from mediaimport_api.reasons import Reason
from mediaimport_api.result import Result, ThumbnailOutcome
from mediaimport_api.status import Asset, Kind, Media, Status, Thumbnail
from mediaimport_operator import job, pod, resource
from mediaimport_operator.observed import Observed, Slot
from mediaimport_operator.settings import Settings

if TYPE_CHECKING:
    from mediaimport_operator.plan import Plan
    from mediaimport_operator.wire import Object

NOW = datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)
UID = "8d0cfa6e-2f2f-4b60-9a2f-0a3b5a2f7d11"
URL = "https://source.example/video.mp4?signature=secret"


def text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Build:
    """Builds the world of one import, in the API server's own form."""

    now: datetime = NOW
    uid: str = UID

    def settings(self, **changes: object) -> Settings:
        variables = {
            "OPERATOR_NAMESPACE": "media",
            "IMPORTER_IMAGE": "importer:1",
            "PROBER_IMAGE": "prober:1",
            "S3_BUCKET_NAME": "bucket",
            "IMPORTER_CONFIG_MAP": "importer",
            "S3_SECRET_NAME": "store",
        }
        return replace(Settings.read(Environment(variables)), **changes)

    def mediaimport(self, *, status: Status | None = None, meta: Object | None = None, **spec: object) -> Object:
        source = {"url": URL} | spec.pop("source", {})
        return {
            "metadata": {
                "namespace": "media",
                "name": "film",
                "uid": self.uid,
                "resourceVersion": "7",
                "generation": 1,
                "creationTimestamp": text(self.now - timedelta(minutes=1)),
                **(meta or {}),
            },
            "spec": {"source": source, "userId": "ada", **spec},
            "status": status.to_wire() if status else {},
        }

    def job(self, attempt: int = 1, *, run: str = "", meta: Object | None = None, **status: object) -> Object:
        name = job_name(name="film", uid=self.uid, run=run, attempt=attempt)
        return {
            "metadata": {
                "namespace": "media",
                "name": name,
                "uid": f"job-{run_hash(run)}-{attempt}",
                "resourceVersion": "8",
                "creationTimestamp": text(self.now - timedelta(seconds=40)),
                "labels": self.labels(attempt, run),
                "ownerReferences": [{"uid": self.uid, "controller": True}],
                **(meta or {}),
            },
            "status": status,
        }

    def failed_job(self, attempt: int = 1, *, reason: str = "BackoffLimitExceeded", ago_s: int = 0) -> Object:
        ended = text(self.now - timedelta(seconds=ago_s))
        condition = {"type": "Failed", "status": "True", "reason": reason, "lastTransitionTime": ended}
        return self.job(attempt, conditions=[condition])

    def complete_job(self, attempt: int = 1, *, ago_s: int = 0) -> Object:
        ended = text(self.now - timedelta(seconds=ago_s))
        return self.job(attempt, completionTime=ended, conditions=[{"type": "Complete", "status": "True"}])

    def pod(self, attempt: int = 1, *, run: str = "", meta: Object | None = None, **status: object) -> Object:
        return {
            "metadata": {
                "namespace": "media",
                "name": f"film-{attempt}-xyz",
                "uid": f"pod-{attempt}",
                "resourceVersion": "9",
                "creationTimestamp": text(self.now - timedelta(seconds=39)),
                "labels": self.labels(attempt, run),
                **(meta or {}),
            },
            "status": {"phase": "Running", **status},
        }

    def running_pod(self, attempt: int = 1) -> Object:
        state = {"running": {"startedAt": text(self.now - timedelta(seconds=30))}}
        return self.pod(attempt, containerStatuses=[{"name": "importer", "state": state}])

    def ended_pod(
        self,
        attempt: int = 1,
        *,
        exit_code: int = 0,
        message: str | bytes | None = None,
        reason: str = "Error",
        meta: Object | None = None,
        **status: object,
    ) -> Object:
        words = message.decode() if isinstance(message, bytes) else message
        ended = {
            "exitCode": exit_code,
            "reason": reason,
            "startedAt": text(self.now - timedelta(seconds=30)),
            "finishedAt": text(self.now - timedelta(seconds=1)),
            **({} if words is None else {"message": words}),
        }
        states = [{"name": "importer", "state": {"terminated": ended}}]
        return self.pod(attempt, meta=meta, containerStatuses=states, **status)

    def labels(self, attempt: int, run: str) -> dict[str, str]:
        return {
            names.LABEL_UID: self.uid,
            names.LABEL_RUN: run_hash(run),
            names.LABEL_ATTEMPT: str(attempt),
            names.LABEL_INSTANCE: "mediaimport",
        }

    def keys(self) -> AssetKeys:
        return AssetKeys(user_id="ada", asset_id=self.uid)

    def imported(self, *, thumbnail: bool = True, **changes: object) -> Result:
        asset = {
            "id": self.uid,
            "sha256": "0" * 64,
            "size_bytes": 1_500_000,
            "content_type": "video/mp4",
            "kind": Kind.VIDEO,
            "bucket": "bucket",
            "key": self.keys().original(kind="video", extension="mp4"),
        }
        picture = Thumbnail(
            key=self.keys().thumbnail, content_type="image/jpeg", width=320, height=180, size_bytes=9000
        )
        stored = ThumbnailOutcome(reason=Reason.THUMBNAIL_STORED, message="Stored.", thumbnail=picture)
        failed = ThumbnailOutcome(reason=Reason.THUMBNAIL_FAILED, message="No frame could be decoded.")
        return Result(
            reason=Reason.IMPORTED,
            message="Imported 1.4 MiB.",
            asset=Asset.model_validate(asset | changes),
            media=Media(format_name="mp4", duration_ms=5200),
            thumbnail=stored if thumbnail else failed,
        )

    def failure(self, reason: Reason, message: str = "It failed.", **changes: object) -> Result:
        return Result(reason=reason, message=message, **changes)

    def observed(
        self,
        item: Object | None = None,
        *,
        jobs: list[Object] | None = None,
        pods: list[Object] | None = None,
        relics: list[Object] | None = None,
        slot: bool = True,
        **changes: object,
    ) -> Observed:
        whole: dict[str, Any] = {
            "now": self.now,
            "settings": self.settings(),
            "resource": resource.read(item or self.mediaimport()),
            "jobs": tuple(job.read(each) for each in jobs or []),
            "pods": (
                *(pod.read(each) for each in pods or []),
                *(pod.read(each, gone=True) for each in relics or []),
            ),
            "slot": Slot(held=slot, full="10 of 10 in flight"),
        }
        return Observed(**(whole | changes))

    def after(self, plan: Plan, **spec: object) -> Object:
        """Return the resource once a plan's status is written."""
        assert plan.status is not None
        return self.mediaimport(status=plan.status, **spec)


@pytest.fixture
def build() -> Build:
    return Build()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
