"""Objects of one import, observed states built from them, and an API server in memory."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from mediaimport_api import names
from mediaimport_api.names import AssetKeys, job_name, run_hash
from mediaimport_api.reasons import Reason
from mediaimport_api.result import Result, ThumbnailOutcome
from mediaimport_api.status import Asset, Kind, Media, Status, Thumbnail
from mediaimport_operator.decide.observed import Observed, SlotState
from mediaimport_operator.observe import resource
from mediaimport_operator.observe.job import read_job, read_pod
from mediaimport_operator.settings.operator import Settings
from mediaimport_operator.settings.session import SessionSettings
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.kubernetes.answers import Change
from mediaimport_runtime.kubernetes.errors import AlreadyExistsError, ConflictError, NotFoundError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from mediaimport_operator.cluster import Cluster
    from mediaimport_operator.decide.actions import Plan
    from mediaimport_runtime.kubernetes.objects import Object

NOW = datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)
UID = "8d0cfa6e-2f2f-4b60-9a2f-0a3b5a2f7d11"
URL = "https://source.example/video.mp4?signature=secret"


def text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Build:
    """Builds the objects of one import, as the API server returns them."""

    now: datetime = NOW
    uid: str = UID

    def settings(self, **changes: Any) -> Settings:  # noqa: ANN401 - any field
        variables = {
            "OPERATOR_NAMESPACE": "media",
            "IMPORTER_IMAGE": "importer:1",
            "PROBER_IMAGE": "prober:1",
            "S3_BUCKET_NAME": "bucket",
            "IMPORTER_CONFIG_MAP": "importer",
            "S3_SECRET_NAME": "store",
            "RETRY_WAIT_SECONDS": "5",
        }
        return replace(Settings.read(Environment(variables)), **changes)

    def session(self, role: str = "arn:aws:iam::111122223333:role/importer", **variables: str) -> SessionSettings:
        """Settings of `s3.sessionRole`, for AWS unless the variables name another store."""
        environment = Environment({"S3_BUCKET_NAME": "bucket", "S3_SESSION_ROLE": role} | variables)
        session = SessionSettings.read(environment, deadline_s=1800)
        assert session is not None
        return session

    def mediaimport(self, *, status: Status | None = None, meta: Object | None = None, **spec: Any) -> Object:  # noqa: ANN401 - JSON
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
                "uid": f"uid-{name}",
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
        job = job_name(name="film", uid=self.uid, run=run, attempt=attempt)
        return {
            "metadata": {
                "namespace": "media",
                "name": f"film-{attempt}-xyz",
                "uid": f"pod-{attempt}",
                "resourceVersion": "9",
                "creationTimestamp": text(self.now - timedelta(seconds=39)),
                "labels": self.labels(attempt, run),
                "ownerReferences": [{"kind": "Job", "uid": f"uid-{job}", "controller": True}],
                **(meta or {}),
            },
            "status": {"phase": "Running", **status},
        }

    def running_pod(self, attempt: int = 1, *, started_ago_s: int = 30) -> Object:
        state = {"running": {"startedAt": text(self.now - timedelta(seconds=started_ago_s))}}
        return self.pod(attempt, containerStatuses=[{"name": "importer", "state": state}])

    def ended_pod(  # noqa: PLR0913 - any part of a pod
        self,
        attempt: int = 1,
        *,
        exit_code: int = 0,
        message: str | bytes | None = None,
        reason: str = "Error",
        container: str = "importer",
        meta: Object | None = None,
        **status: Any,  # noqa: ANN401 - JSON
    ) -> Object:
        text_message = message.decode() if isinstance(message, bytes) else message
        ended = {
            "exitCode": exit_code,
            "reason": reason,
            "startedAt": text(self.now - timedelta(seconds=30)),
            "finishedAt": text(self.now - timedelta(seconds=1)),
            **({} if text_message is None else {"message": text_message}),
        }
        states = [{"name": container, "state": {"terminated": ended}}]
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
        deleted_pods: list[Object] | None = None,
        slot: bool = True,
        **changes: object,
    ) -> Observed:
        whole: dict[str, Any] = {
            "now": self.now,
            "settings": self.settings(),
            "resource": resource.read(item or self.mediaimport()),
            "jobs": tuple(read_job(each) for each in jobs or []),
            "pods": (
                *(read_pod(each) for each in pods or []),
                *(read_pod(each, deleted=True) for each in deleted_pods or []),
            ),
            "slot": SlotState(held=slot, wait_reason="10 of 10 in flight"),
        }
        return Observed(**(whole | changes))

    def after(self, plan: Plan, **spec: Any) -> Object:  # noqa: ANN401 - JSON
        """Return the resource once a plan's status is written."""
        assert plan.status is not None
        return self.after_status(plan.status, **spec)

    def after_status(self, status: Status, **spec: Any) -> Object:  # noqa: ANN401 - JSON
        """Return the resource with that status."""
        return self.mediaimport(status=status, **spec)


def as_cluster(fake: object) -> Cluster:
    """Return a fake as what programs take: it has the methods that they call."""
    return cast("Cluster", fake)


class FakeCluster:
    """An API server in memory: versions, conflicts, merge patches; no schema, no controllers."""

    def __init__(self) -> None:
        self.version = 100
        kinds = ("imports", "jobs", "pods", "leases", "secrets")
        self.objects: dict[str, dict[str, Object]] = {kind: {} for kind in kinds}
        self.events: list[Object] = []
        self.job_events: list[Object] = []
        self.log = b""
        self.writes: list[str] = []
        self.refusing: Exception | None = None
        self.refusing_secrets: Exception | None = None
        self.down = False
        self.refused_while_down = asyncio.Event()
        self.phase_shown = asyncio.Event()
        self.lease_changes: list[Change] = []
        self.leases_changed = asyncio.Event()

    def put(self, kind: str, item: Object) -> Object:
        self._check()
        self.version += 1
        item["metadata"]["resourceVersion"] = str(self.version)
        self.objects[kind][item["metadata"]["name"]] = item
        return copy.deepcopy(item)

    def _get(self, kind: str, name: str) -> Object:
        self._check()
        if name not in self.objects[kind]:
            raise NotFoundError(f"404: {name} not found")
        return copy.deepcopy(self.objects[kind][name])

    def _check(self) -> None:
        if self.down:
            self.refused_while_down.set()
            raise UnavailableError("503: away")

    def _list(self, kind: str, take: Callable[[Object], object]) -> str:
        self._check()
        for each in self.objects[kind].values():
            take(copy.deepcopy(each))
        return str(self.version)

    async def imports(self, namespace: str, take: Callable[[Object], object]) -> str:
        assert namespace == "media"
        return self._list("imports", take)

    async def jobs(self, namespace: str, selector: str, take: Callable[[Object], object]) -> str:
        assert (namespace, "instance" in selector) == ("media", True)
        return self._list("jobs", take)

    async def pods(self, namespace: str, selector: str, take: Callable[[Object], object]) -> str:
        assert (namespace, "instance" in selector) == ("media", True)
        return self._list("pods", take)

    async def get_import(self, namespace: str, name: str) -> Object:
        assert namespace == "media"
        return self._get("imports", name)

    async def get_job(self, namespace: str, name: str) -> Object:
        assert namespace == "media"
        return self._get("jobs", name)

    async def create_job(self, namespace: str, job: Object) -> Object:
        assert namespace == "media"
        self._check()
        if self.refusing is not None:
            raise self.refusing
        name = job["metadata"]["name"]
        if name in self.objects["jobs"]:
            raise ConflictError(f"409: {name} already exists")
        self.writes.append(f"create {name}")
        job["metadata"] |= {"uid": f"uid-{name}", "creationTimestamp": text(NOW)}
        return self.put("jobs", job)

    async def delete_job(self, namespace: str, name: str, *, uid: str) -> None:
        assert namespace == "media"
        if self._get("jobs", name)["metadata"]["uid"] != uid:
            raise ConflictError("409: another uid")
        self.writes.append(f"delete {name}")
        del self.objects["jobs"][name]

    async def create_secret(self, namespace: str, secret: Object) -> None:
        assert namespace == "media"
        self._check()
        if self.refusing_secrets is not None:
            raise self.refusing_secrets
        name = secret["metadata"]["name"]
        if name in self.objects["secrets"]:
            raise AlreadyExistsError(f"409: {name} already exists")
        self.writes.append(f"secret {name}")
        self.put("secrets", secret)

    async def delete_secret(self, namespace: str, name: str) -> None:
        assert namespace == "media"
        self._get("secrets", name)
        self.writes.append(f"delete {name}")
        del self.objects["secrets"][name]

    async def patch_import(self, namespace: str, name: str, patch: Object) -> Object:
        assert namespace == "media"
        item = self._get("imports", name)
        if patch["metadata"]["resourceVersion"] != item["metadata"]["resourceVersion"]:
            raise ConflictError("409: the object has been modified")
        item["metadata"] |= patch["metadata"]
        self.writes.append(f"finalizers {len(item['metadata']['finalizers'])}")
        written = self.put("imports", item)
        if "deletionTimestamp" in item["metadata"] and not item["metadata"]["finalizers"]:
            del self.objects["imports"][name]
        return written

    async def patch_status(self, namespace: str, name: str, patch: Object) -> Object:
        assert namespace == "media"
        item = self._get("imports", name)
        if patch["metadata"]["resourceVersion"] != item["metadata"]["resourceVersion"]:
            raise ConflictError("409: the object has been modified")
        item["status"] = merged(item.get("status") or {}, patch["status"])
        self.writes.append(f"status {item['status'].get('phase')}")
        if "phase" in item["status"]:
            self.phase_shown.set()
        return self.put("imports", item)

    async def delete_import(self, namespace: str, name: str, *, uid: str, version: str) -> None:
        assert (namespace, bool(uid), bool(version)) == ("media", True, True)
        self.writes.append(f"delete {name}")
        self.objects["imports"].pop(name)

    async def refused_pods(self, namespace: str, *, job_uid: str) -> list[Object]:
        assert namespace == "media"
        return [each for each in self.job_events if each["involvedObject"]["uid"] == job_uid]

    async def create_event(self, namespace: str, event: Object) -> None:
        assert namespace == event["metadata"]["namespace"]
        self.events.append(event)

    async def log_tail(self, namespace: str, pod: str, **_: object) -> bytes:
        assert (namespace, bool(pod)) == ("media", True)
        return self.log

    async def follow_log(self, namespace: str, pod: str, *, container: str) -> AsyncIterator[bytes]:
        assert (namespace, bool(pod), container) == ("media", True, "importer")
        yield self.log
        await asyncio.Event().wait()

    async def get_lease(self, namespace: str, name: str) -> Object:
        assert namespace == "media"
        return self._get("leases", name)

    async def records(self, namespace: str, selector: str, take: Callable[[Object], object]) -> str:
        assert namespace == "media"
        self._check()
        for each in self.objects["leases"].values():
            if _is_selected(each, selector):
                take(copy.deepcopy(each))
        return str(self.version)

    async def watch_records(self, namespace: str, version: str, selector: str) -> AsyncGenerator[Change, None]:
        """Yield the leases that are newer than that, and then each that is put or removed."""
        assert namespace == "media"
        seen = int(version)
        while True:
            self._check()
            changed = self.leases_changed
            news = [each for each in self.lease_changes if int(each.resource["metadata"]["resourceVersion"]) > seen]
            for each in news:
                if _is_selected(each.resource, selector):
                    yield copy.deepcopy(each)
            seen = max((int(each.resource["metadata"]["resourceVersion"]) for each in news), default=seen)
            await changed.wait()

    async def patch_record(self, namespace: str, name: str, patch: Object) -> Object:
        assert namespace == "media"
        self.writes.append(f"patch {name}")
        return self.put_record(merged(self._get("leases", name), patch))

    def put_record(self, lease: Object) -> Object:
        """Put a lease, and let watches see it."""
        stored = self.put("leases", lease)
        self._change_lease(Change("MODIFIED", copy.deepcopy(stored)))
        return stored

    def remove_record(self, name: str) -> None:
        lease = self.objects["leases"].pop(name)
        self.version += 1
        lease["metadata"]["resourceVersion"] = str(self.version)
        self._change_lease(Change("DELETED", lease))

    def _change_lease(self, change: Change) -> None:
        self.lease_changes.append(change)
        self.leases_changed.set()
        self.leases_changed = asyncio.Event()

    async def put_lease(self, namespace: str, lease: Object) -> Object:
        assert namespace == "media"
        before = self.objects["leases"].get(lease["metadata"]["name"])
        if before is not None and before["metadata"]["resourceVersion"] != lease["metadata"].get("resourceVersion"):
            raise ConflictError("409: the lease has been modified")
        return self.put("leases", copy.deepcopy(lease))


def _is_selected(lease: Object, selector: str) -> bool:
    """Tell whether a selector of one `key=value` selects a lease."""
    key, _, value = selector.partition("=")
    return bool((lease["metadata"].get("labels") or {}).get(key) == value)


def merged(before: Object, patch: Object) -> Object:
    after = dict(before)
    for name, value in patch.items():
        if value is None:
            after.pop(name, None)
        elif isinstance(value, dict):
            after[name] = merged(after.get(name) or {}, value)
        else:
            after[name] = value
    return after
