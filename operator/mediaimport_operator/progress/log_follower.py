"""Follows the importers' logs, one task for each running import, to tell how far they are."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mediaimport_api.status import MAX_LOG_TAIL
from mediaimport_api.task import IMPORTER_CONTAINER
from mediaimport_runtime.kubernetes.errors import KubernetesError, NotFoundError

from mediaimport_operator.progress.log_lines import Gauge, Splitter, Stopwatch, tail

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_api.status import Progress

    from mediaimport_operator.cluster import Cluster

PROGRESS_INTERVAL_S = 2.0
_RECONNECT_S = 1.0
_TAIL_LINES = 20
_TAIL_BYTES = 32 * 1024

log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Follower:
    """One pod's log: its reader, what it tells, its last lines."""

    namespace: str
    pod: str
    gauge: Gauge = field(default_factory=lambda: Gauge(interval_s=PROGRESS_INTERVAL_S))
    lines: deque[bytes] = field(default_factory=lambda: deque(maxlen=_TAIL_LINES))
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    progress: Progress | None = None
    task: asyncio.Task[None] | None = None


class Followers:
    """The followers by import.

    `on_progress` is told the key of an import whose progress is news, `on_step` how many seconds a step took.
    """

    def __init__(
        self, cluster: Cluster, *, on_progress: Callable[[str], None], on_step: Callable[[str, float], None]
    ) -> None:
        self._cluster = cluster
        self._on_progress = on_progress
        self._on_step = on_step
        self._followers: dict[str, _Follower] = {}

    def follow(self, key: str, *, namespace: str, pod: str) -> None:
        """Follow that pod's log for the import, and no other's."""
        current = self._followers.get(key)
        if current is not None and current.pod == pod:
            return
        self.leave(key)
        follower = _Follower(namespace, pod)
        follower.task = asyncio.create_task(self._run(key, follower), name=f"log of {pod}")
        self._followers[key] = follower

    def leave(self, key: str) -> None:
        """Stop following for the import."""
        follower = self._followers.pop(key, None)
        if follower is not None and follower.task is not None:
            follower.task.cancel()

    def progress(self, key: str) -> Progress | None:
        """Return how far the import is, as far as it is worth telling."""
        follower = self._followers.get(key)
        return follower.progress if follower else None

    async def tail(self, key: str, *, namespace: str, pod: str) -> str | None:
        """Return the log's last lines for people: from the API, or what was followed if the pod is gone."""
        try:
            raw = await self._cluster.log_tail(
                namespace, pod, container=IMPORTER_CONTAINER, lines=_TAIL_LINES, limit_bytes=_TAIL_BYTES
            )
        except KubernetesError as error:
            log.info("no log to read", extra={"pod": pod, "error": str(error)})
            follower = self._followers.get(key)
            return tail(follower.lines, limit=MAX_LOG_TAIL) if follower and follower.pod == pod else None
        return tail(raw.splitlines(), limit=MAX_LOG_TAIL)

    async def close(self) -> None:
        """Stop all."""
        tasks = [each.task for each in self._followers.values() if each.task is not None]
        self._followers.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, key: str, follower: _Follower) -> None:
        """Read until the pod is gone or we are stopped: an end of the stream is not the end of the importer."""
        while True:
            try:
                await self._read(key, follower)
            except NotFoundError:
                return
            except KubernetesError as error:
                log.debug("log broke off", extra={"pod": follower.pod, "error": str(error)})
            await asyncio.sleep(_RECONNECT_S)

    async def _read(self, key: str, follower: _Follower) -> None:
        splitter = Splitter()
        async for piece in self._cluster.follow_log(follower.namespace, follower.pod, container=IMPORTER_CONTAINER):
            for line in splitter.feed(piece):
                self._take(follower, line)
            self._tell(key, follower)

    def _take(self, follower: _Follower, line: bytes) -> None:
        follower.lines.append(line)
        parsed = follower.gauge.read(line)
        if parsed is not None and (ended := follower.stopwatch.read(parsed)) is not None:
            self._on_step(*ended)

    def _tell(self, key: str, follower: _Follower) -> None:
        news = follower.gauge.news(asyncio.get_running_loop().time())
        if news is not None:
            follower.progress = news
            self._on_progress(key)
