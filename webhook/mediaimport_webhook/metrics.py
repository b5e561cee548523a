"""Prometheus metrics of the webhook. No label holds text that a caller chose: the number of series is bounded."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PREFIX = "mediaimport_webhook_"
_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"})
_LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
UNROUTED = "none"
"""The route of a request to an unknown path."""


class Metrics:
    """The metrics of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = self._counter("http_requests", "HTTP requests.", "method", "route", "status")
        self._durations = Histogram(
            f"{_PREFIX}http_request_duration_seconds",
            "Duration of HTTP requests, without event streams.",
            ["route"],
            buckets=_LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self._rate_limited = self._counter("http_requests_rate_limited", "Requests refused by the rate limit (429).")
        self._callbacks = self._counter(
            "callbacks",
            "Callbacks of generators: imported, ignored, refused, too-large or failed.",
            "provider",
            "outcome",
        )
        self._imports = self._counter("imports", "Requested imports by origin and outcome.", "origin", "outcome")
        self._over_quota = self._counter(
            "imports_over_quota", "Imports of generated media that were kept although their user is over the quota.",
            "origin",
        )  # fmt: skip
        self._streams = Gauge(f"{_PREFIX}event_streams", "Open event streams (SSE).", registry=self.registry)
        self._waits = Gauge(
            f"{_PREFIX}waiting_requests", "Requests that wait for an asset to change.", registry=self.registry
        )
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram | None]] = {}
        """Of requests: prometheus_client's own look-up checks and copies the labels each time."""

    def request(self, *, method: str, route: str, status: int, duration_s: float | None) -> None:
        """Count a request; `duration_s` is None for one that waits, as an event stream does."""
        key = (method if method in _METHODS else "other", route, status)
        if key not in self._children:
            histogram = None if duration_s is None else self._durations.labels(route)
            self._children[key] = self._requests.labels(key[0], route, str(status)), histogram
        counter, histogram = self._children[key]
        counter.inc()
        if histogram is not None and duration_s is not None:
            histogram.observe(duration_s)

    def callback(self, provider: str, outcome: str) -> None:
        """Count a callback."""
        self._callbacks.labels(provider, outcome).inc()

    def requested_import(self, origin: str, outcome: str) -> None:
        """Count an import that a caller or a callback requested."""
        self._imports.labels(origin, outcome).inc()

    def import_over_quota(self, origin: str) -> None:
        """Count an import that was kept although its user is over the quota."""
        self._over_quota.labels(origin).inc()

    def rate_limited(self) -> None:
        """Count a request that the rate limit refused."""
        self._rate_limited.inc()

    @contextmanager
    def event_stream(self) -> Iterator[None]:
        """Count an open event stream."""
        with self._streams.track_inprogress():
            yield

    @contextmanager
    def waiting_request(self) -> Iterator[None]:
        """Count a request that waits."""
        with self._waits.track_inprogress():
            yield

    def observe_cache(
        self,
        *,
        resources: Callable[[], float],
        recovered_resources: Callable[[], float],
        broken_resources: Callable[[], float],
        last_event_age_s: Callable[[], float],
        stale: Callable[[], float],
    ) -> None:
        """Register the gauges of the read cache."""
        self._gauge("cache_resources", "MediaImports in the cache.", resources)
        self._gauge(
            "cache_recovered_resources",
            "MediaImports in the cache that recovery created: their callback never came.",
            recovered_resources,
        )
        self._gauge("cache_broken_resources", "MediaImports in the cache that cannot be shown whole.", broken_resources)
        self._gauge(
            "cache_last_event_age_seconds",
            "Time since the last watch event; a bookmark comes about once a minute.",
            last_event_age_s,
        )
        self._gauge(
            "cache_stale", "1 while the cache is not synced yet or the API server does not answer, else 0.", stale
        )

    def observe_entries(self, entries: Callable[[], float]) -> None:
        """Register the gauge of what the read cache keeps whole."""
        self._gauge(
            "cache_entries",
            "MediaImports that the cache keeps whole: with a catalogue's database those that are not recorded.",
            entries,
        )

    def observe_database(
        self,
        *,
        unrecorded: Callable[[], float],
        failing: Callable[[], float],
        written: Callable[[], float],
        refused: Callable[[], float],
        oldest_unmarked_s: Callable[[], float],
    ) -> None:
        """Register the gauges of the catalogue's database."""
        self._gauge("catalogue_unrecorded", "Changes that wait to be written to the database.", unrecorded)
        self._gauge("catalogue_failing", "1 while the database cannot be written, else 0.", failing)
        self._gauge("catalogue_rows_written", "Rows sent to the database since the start.", written)
        self._gauge("catalogue_rows_refused", "Rows that the database refused since the start.", refused)
        self._gauge(
            "catalogue_oldest_unmarked_seconds",
            "Age of the oldest end of an import whose resource is not marked as recorded; 0 without one.",
            oldest_unmarked_s,
        )

    def _counter(self, name: str, description: str, *labels: str) -> Counter:
        return Counter(f"{_PREFIX}{name}", description, labels, registry=self.registry)

    def _gauge(self, name: str, description: str, value: Callable[[], float]) -> None:
        Gauge(f"{_PREFIX}{name}", description, registry=self.registry).set_function(value)
