"""What Prometheus reads, on a port of its own. No label holds what a caller chose: their number is bounded."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mediaimport_webhook.catalogue.index import Catalogue
    from mediaimport_webhook.catalogue.reflector import Reflector
    from mediaimport_webhook.imports.create import Creation

_LOG = logging.getLogger(__name__)
_METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "OPTIONS"})
_LATENCIES_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
UNROUTED = "none"


class Metrics:
    """All counters of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "mediaimport_http_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._durations = Histogram(
            "mediaimport_http_request_duration_seconds",
            "From a request's arrival to the end of its answer, event streams left out.",
            ["route"],
            buckets=_LATENCIES_S,
            registry=self.registry,
        )
        self._callbacks = Counter(
            "mediaimport_callbacks",
            "Callbacks of generators: imported, ignored with a reason, or refused for their signature.",
            ["provider", "outcome"],
            registry=self.registry,
        )
        self._imports = Counter(
            "mediaimport_imports",
            "Imports asked for, by who asked and what became of it.",
            ["origin", "outcome"],
            registry=self.registry,
        )
        self._limited = Counter(
            "mediaimport_http_requests_limited",
            "Requests answered 429: their caller sent too many.",
            registry=self.registry,
        )
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram | None]] = {}
        """Of requests: prometheus_client's own look-up checks and copies the labels each time."""
        self._streams = Gauge("mediaimport_event_streams", "Event streams that are open.", registry=self.registry)

    def request(self, *, method: str, route: str, status: int, duration_s: float | None) -> None:
        """Count a request; a stream's duration says nothing and is None."""
        key = (method if method in _METHODS else "other", route, status)
        if key not in self._children:
            timed = None if duration_s is None else self._durations.labels(route)
            self._children[key] = self._requests.labels(key[0], route, str(status)), timed
        counter, durations = self._children[key]
        counter.inc()
        if durations is not None and duration_s is not None:
            durations.observe(duration_s)

    def callback(self, provider: str, outcome: str) -> None:
        """Count a callback."""
        self._callbacks.labels(provider, outcome).inc()

    def imported(self, origin: str, creation: Creation) -> None:
        """Count an import that was asked for."""
        self._imports.labels(origin, creation.name.lower()).inc()

    def limited(self) -> None:
        """Count a request of a caller who sent too many."""
        self._limited.inc()

    @contextmanager
    def streaming(self) -> Iterator[None]:
        """Count an open event stream."""
        with self._streams.track_inprogress():
            yield

    def watch(self, reflector: Reflector, catalogue: Catalogue) -> None:
        """Show the cache: its size, and how old it is."""
        self._show("mediaimport_cache_resources", "MediaImports in the cache.", lambda: len(catalogue))
        self._show(
            "mediaimport_cache_last_event_age_seconds",
            "Since the API server was last heard of; a bookmark comes about once a minute.",
            lambda: reflector.last_event_age_s or 0,
        )
        self._show(
            "mediaimport_cache_stale",
            "1 while the cache cannot be fed: not synced yet, or the API server does not answer.",
            lambda: 0 if reflector.synced.is_set() and reflector.stale_s is None else 1,
        )
        self._show(
            "mediaimport_cache_swept_resources",
            "MediaImports in the cache that the sweep made: their callback never came.",
            lambda: catalogue.swept,
        )

    def _show(self, name: str, words: str, value: Callable[[], float]) -> None:
        Gauge(name, words, registry=self.registry).set_function(value)
