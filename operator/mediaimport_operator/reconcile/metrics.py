"""What Prometheus reads, on a port of its own. No label holds what an author chose: their number is bounded."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from mediaimport_api.status import Phase
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_api.reasons import Reason
    from mediaimport_api.status import Attempt, Status

    from mediaimport_operator.observe.resource import Resource

_PASS_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_WORK_S = (0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600, 1800, 3600, 7200)
_MARGIN_S = (-3600, -600, -60, 0, 60, 300, 600, 1200, 1800, 2700, 3600, 7200)
_API_PATH = re.compile(
    r"/(?:api/v1|apis/[^/]+/[^/]+)(?:/namespaces/[^/]+)?/(?P<kind>[^/?]+)(?:/[^/?]+/(?P<part>[^/?]+))?"
)
_KINDS = frozenset({"mediaimports", "jobs", "pods", "events", "leases"})

log = logging.getLogger(__name__)


class Metrics:
    """All that one process counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._imports()
        self._passes()
        self._api()

    # --- imports ---

    def _imports(self) -> None:
        self._completed = self._counter(
            "imports_completed", "Imports that came to their end, by how and why.", "result", "reason"
        )
        self._attempts = self._counter("attempts", "Attempts that ended, by why.", "reason")
        self._late = self._counter("imports_started_after_expiry", "Imports that began after their source's expiry.")
        self._stored = self._counter("stored_bytes", "Bytes of originals that were imported.", "kind")
        self._left = self._counter("stored_objects_left", "Resources let go with their objects in place.")
        self._steps = self._histogram(
            "step_duration_seconds",
            "How long imports are at each step: queue (creation to Job), then those that the importer tells of.",
            _WORK_S,
            "step",
        )
        self._whole = self._histogram(
            "import_duration_seconds", "From a resource's creation, or its new run, to its end.", _WORK_S, "result"
        )
        self._margin = self._histogram(
            "import_expiry_margin_seconds", "What was left of a source's life when it was imported.", _MARGIN_S
        )

    def written(self, before: Resource, status: Status) -> None:
        """Count what a status that was just written tells for the first time."""
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

    def step(self, name: str, duration_s: float) -> None:
        """Note how long a step took."""
        self._steps.labels(name).observe(max(duration_s, 0.0))

    def started_late(self) -> None:
        """Count an import that began after its source's expiry."""
        self._late.inc()

    def objects_left(self) -> None:
        """Count a resource that was let go with its objects in place."""
        self._left.inc()

    # --- passes ---

    def _passes(self) -> None:
        self._pass_ends = self._counter(
            "passes",
            "Passes by how they ended: done, unavailable (the API server), conflict, refused or broken.",
            "outcome",
        )
        self._pass_s = self._histogram("pass_duration_seconds", "How long a pass takes.", _PASS_S)
        self._repairs = self._counter("sweep_repairs", "Imports that a sweep found changed and no watch had told of.")
        self._refused = self._counter("jobs_refused", "Jobs that the API server did not take.", "reason")

    def made_pass(self, outcome: str, duration_s: float) -> None:
        """Count a pass."""
        self._pass_ends.labels(outcome).inc()
        self._pass_s.observe(duration_s)

    def repaired(self, imports: int) -> None:
        """Count what a sweep found."""
        self._repairs.inc(imports)

    def job_refused(self, reason: Reason) -> None:
        """Count a Job that was refused."""
        self._refused.labels(reason).inc()

    # --- the API server ---

    def _api(self) -> None:
        self._requests = self._counter(
            "api_requests", "Requests to the API server; code 0: no answer.", "method", "resource", "code"
        )
        self._watches = self._counter("watch_starts", "Watches opened: once each, then for each break.", "resource")

    def request(self, *, method: str, path: str, code: int, watch: bool = False) -> None:
        """Count a request."""
        resource = api_resource(path)
        self._requests.labels("WATCH" if watch else method, resource, str(code)).inc()
        if watch:
            self._watches.labels(resource).inc()

    # --- the present ---

    def show(self, name: str, words: str, value: Callable[[], float]) -> None:
        """Show a figure as it is whenever someone asks."""
        Gauge(f"mediaimport_operator_{name}", words, registry=self.registry).set_function(value)

    def _counter(self, name: str, words: str, *labels: str) -> Counter:
        return Counter(f"mediaimport_operator_{name}", words, labels, registry=self.registry)

    def _histogram(self, name: str, words: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"mediaimport_operator_{name}", words, labels, buckets=buckets, registry=self.registry)


def _holds_end(status: Status, attempt: Attempt) -> bool:
    return any(
        (each.number, each.job_name) == (attempt.number, attempt.job_name) and each.reason is not None
        for each in status.attempts
    )


def api_resource(path: str) -> str:
    """Return which kind of thing a path of the API is about: `jobs`, `mediaimports/status`, `other`."""
    match = _API_PATH.match(path)
    if match is None or match["kind"] not in _KINDS:
        return "other"
    return f"{match['kind']}/{match['part']}" if match["part"] in {"status", "log"} else match["kind"]
