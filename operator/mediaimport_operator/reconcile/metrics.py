"""Prometheus metrics. No label holds a value that an author chooses, so the number of series is bounded."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from mediaimport_api.reasons import Reason
from mediaimport_api.status import Attempt, Phase, Status
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_operator.observe.resource import Resource

_RECONCILE_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_IMPORT_S = (0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600, 1800, 3600, 7200)
_MARGIN_S = (-3600, -600, -60, 0, 60, 300, 600, 1200, 1800, 2700, 3600, 7200)
_API_PATH = re.compile(
    r"/(?:api/v1|apis/[^/]+/[^/]+)(?:/namespaces/[^/]+)?/(?P<kind>[^/?]+)(?:/[^/?]+/(?P<part>[^/?]+))?"
)
_KINDS = frozenset({"mediaimports", "jobs", "pods", "events", "leases"})

log = logging.getLogger(__name__)


class Metrics:
    """The metrics of one operator."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._imports()
        self._reconciles()
        self._api()

    # --- imports ---

    def _imports(self) -> None:
        self._completed = self._counter(
            "imports_completed", "Imports that ended, by result and reason.", "result", "reason"
        )
        self._attempts = self._counter("attempts", "Attempts that ended, by reason.", "reason")
        self._late = self._counter(
            "imports_started_after_expiry", "Imports whose first attempt started after the expiry of their source."
        )
        self._stored = self._counter("stored_bytes", "Bytes of imported originals, by kind of media.", "kind")
        self._orphaned = self._counter(
            "stored_objects_orphaned", "Resources that were deleted while their stored objects stay."
        )
        self._steps = self._histogram(
            "step_duration_seconds",
            "Duration of each step of an import: queue (creation to Job), then the steps in the importer's log.",
            _IMPORT_S,
            "step",
        )
        self._whole = self._histogram(
            "import_duration_seconds",
            "Duration of imports, from the resource's creation, or the start of its new run, to the end.",
            _IMPORT_S,
            "result",
        )
        self._margin = self._histogram(
            "import_expiry_margin_seconds",
            "Time from an import's end to the expiry of its source; negative after the expiry.",
            _MARGIN_S,
        )

    def status_written(self, before: Resource, status: Status) -> None:
        """Count the ends of attempts and imports that a status contains for the first time."""
        known = before.status
        for each in status.attempts:
            if each.reason is not None and not _holds_end(known, each):
                self._attempts.labels(each.reason).inc()
        ended = status.completed_at is not None and (known.completed_at, known.run) != (status.completed_at, status.run)
        if ended and status.phase in {Phase.READY, Phase.FAILED}:
            self._ended(before, status)

    def _ended(self, before: Resource, status: Status) -> None:
        ready = status.conditions[0] if status.conditions else None
        result = "ready" if status.phase is Phase.READY else "failed"
        self._completed.labels(result, ready.reason if ready else "").inc()
        if status.completed_at is None:
            return
        begun_at = before.created_at if not status.run else status.started_at or status.completed_at
        self._whole.labels(result).observe((status.completed_at - begun_at).total_seconds())
        if status.phase is Phase.READY and status.asset is not None:
            self._stored.labels(status.asset.kind).inc(status.asset.size_bytes)
            if status.expires_at is not None:
                self._margin.observe((status.expires_at - status.completed_at).total_seconds())

    def import_given_up(self) -> None:
        """Count an import that failed since its reconciles did."""
        self._completed.labels("failed", Reason.OPERATOR_FAILED).inc()

    def step(self, name: str, duration_s: float) -> None:
        """Record the duration of a step."""
        self._steps.labels(name).observe(max(duration_s, 0.0))

    def started_after_expiry(self) -> None:
        """Count an import whose first attempt started after the expiry of its source."""
        self._late.inc()

    def objects_orphaned(self) -> None:
        """Count a resource that was deleted while its stored objects stay."""
        self._orphaned.inc()

    # --- reconciles ---

    def _reconciles(self) -> None:
        self._outcomes = self._counter(
            "reconcile",
            "Reconciles by outcome: success, conflict, refused, unavailable (the API server) or error (a bug).",
            "outcome",
        )
        self._errors = self._counter("reconcile_errors", "Reconciles that failed, with any outcome but success.")
        self._reconcile_s = self._histogram("reconcile_duration_seconds", "Duration of reconciles.", _RECONCILE_S)
        self._repairs = self._counter(
            "resync_repairs", "Imports that a resync found changed although no watch had reported it."
        )
        self._unreadable = self._counter(
            "objects_unreadable", "Objects that a list or a watch has brought and that cannot be read.", "kind"
        )
        self._namespaces = Gauge(
            "mediaimport_operator_namespace_synced",
            "1 if the newest list of a watched namespace has succeeded.",
            ("namespace",),
            registry=self.registry,
        )
        self._refused = self._counter("jobs_refused", "Jobs that the API server refused, by reason.", "reason")
        self._notifications = self._counter(
            "notifications",
            "Tries to tell an endpoint (the label receiver) of an event: delivered, failed (tried again) or given_up.",
            *("receiver", "outcome"),
        )
        self._unsent = self._gauge(
            "notification_oldest_seconds", "Age of the oldest event that an endpoint has not accepted yet.", "receiver"
        )

    def reconciled(self, outcome: str, duration_s: float) -> None:
        """Count a reconcile."""
        self._outcomes.labels(outcome).inc()
        self._reconcile_s.observe(duration_s)
        if outcome != "success":
            self._errors.inc()

    def repaired(self, imports: int) -> None:
        """Count the imports that a resync found changed."""
        self._repairs.inc(imports)

    def object_unreadable(self, kind: str) -> None:
        """Count an object that cannot be read."""
        self._unreadable.labels(kind).inc()

    def left_out(self, *, path: str, count: int) -> None:
        """Count items of a list, or events of a watch, that are no objects."""
        self._unreadable.labels(api_resource(path)).inc(count)

    def namespace_synced(self, namespace: str, *, synced: bool) -> None:
        """Record whether a watched namespace has answered its list. The settings bound the number of series."""
        self._namespaces.labels(namespace).set(float(synced))

    def job_refused(self, reason: Reason) -> None:
        """Count a Job that the API server refused."""
        self._refused.labels(reason).inc()

    def notification(self, endpoint: str, outcome: str) -> None:
        """Count a try to tell an endpoint of an event. The settings bound the number of endpoints."""
        self._notifications.labels(endpoint, outcome).inc()

    def watch_endpoint(self, endpoint: str, oldest_age_s: Callable[[], float]) -> None:
        """Show an endpoint from the start on, so that its first failure is an increase."""
        for outcome in ("delivered", "failed", "given_up"):
            self._notifications.labels(endpoint, outcome)
        self._unsent.labels(endpoint).set_function(oldest_age_s)

    # --- the API server ---

    def _api(self) -> None:
        self._requests = self._counter(
            "api_requests", "Requests to the API server; code 0 means no answer.", "method", "resource", "code"
        )
        self._watches = self._counter(
            "watch_starts", "Watches that were started: at the start, and again whenever one ends.", "resource"
        )

    def request(self, *, method: str, path: str, code: int, watch: bool = False) -> None:
        """Count a request to the API server."""
        resource = api_resource(path)
        self._requests.labels("WATCH" if watch else method, resource, str(code)).inc()
        if watch:
            self._watches.labels(resource).inc()

    # --- gauges ---

    def gauge(self, name: str, description: str, value: Callable[[], float]) -> None:
        """Add a gauge that is computed at each scrape."""
        Gauge(f"mediaimport_operator_{name}", description, registry=self.registry).set_function(value)

    def _counter(self, name: str, description: str, *labels: str) -> Counter:
        return Counter(f"mediaimport_operator_{name}", description, labels, registry=self.registry)

    def _gauge(self, name: str, description: str, *labels: str) -> Gauge:
        return Gauge(f"mediaimport_operator_{name}", description, labels, registry=self.registry)

    def _histogram(self, name: str, description: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"mediaimport_operator_{name}", description, labels, buckets=buckets, registry=self.registry)


def _holds_end(status: Status, attempt: Attempt) -> bool:
    return any(
        (each.number, each.job_name) == (attempt.number, attempt.job_name) and each.reason is not None
        for each in status.attempts
    )


def api_resource(path: str) -> str:
    """Return the API resource of a path: `jobs`, `mediaimports/status`, `other`."""
    match = _API_PATH.match(path)
    if match is None or match["kind"] not in _KINDS:
        return "other"
    return f"{match['kind']}/{match['part']}" if match["part"] in {"status", "log"} else match["kind"]
