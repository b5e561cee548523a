"""Parallel tasks of one command, each with a line of progress when it starts and ends; every so often, what is left."""

from __future__ import annotations

import threading
import time
from concurrent.futures import FIRST_EXCEPTION, CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from dev.cluster.run import progress
from dev.cluster.run.progress import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

# A shorter task prints no line.
QUIET_S = 0.5
_POLL_S = 0.05
PROGRESS_S = 30.0
"""Between two lines that say what is left."""
MAX_TASKS = 16


class Tasks:
    """Runs functions in threads and reports on them."""

    def __init__(
        self, stream: TextIO, *, typical_s: Mapping[str, float] | None = None, clock: Callable[[], float] | None = None
    ) -> None:
        """`typical_s`: the seconds that a task of that name takes on two cores; others count as nothing."""
        self._stream = stream
        self._typical_s = typical_s or {}
        self._clock = clock or time.monotonic
        self._pool = ThreadPoolExecutor(MAX_TASKS)
        self._futures: dict[Future[Any], str] = {}
        self._steps: dict[str, Step] = {}
        self._began = self._clock()
        self._next_progress = self._began + PROGRESS_S
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def start(self, name: str, work: Callable[[], T], *, after: tuple[Future[Any], ...] = ()) -> Future[T]:
        """Run the work once all tasks in `after` have succeeded."""
        earlier = tuple(self._futures[each] for each in after)
        with self._lock:
            self._steps[name] = Step(self._typical_s.get(name, 0.0), earlier)
        future = self._pool.submit(self._run, name, work, after)
        self._futures[future] = name
        return future

    @property
    def stopped(self) -> bool:
        """Tell a task that waits for something that it may give up."""
        return self._stopped.is_set()

    def finish(self, interrupted: threading.Event) -> None:
        """Wait for all tasks; raise the first error as soon as there is one, and KeyboardInterrupt when interrupted."""
        unfinished: set[Future[Any]] = set(self._futures)
        while unfinished and not interrupted.is_set():
            done, unfinished = wait(unfinished, timeout=_POLL_S, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
            self._report_progress()
        if interrupted.is_set():
            raise KeyboardInterrupt

    def stop(self, *to_end: Future[Any]) -> None:
        """Start no task any more, and wait until these have ended; the others may still run."""
        self._stopped.set()
        wait(to_end)

    def say(self, line: str) -> None:
        """Print a line with the time since the beginning."""
        with self._lock:
            print(f"{self._clock() - self._began:6.1f} s  {line}", file=self._stream, flush=True)

    def _report_progress(self) -> None:
        now = self._clock()
        if now >= self._next_progress:
            self._next_progress = now + PROGRESS_S
            with self._lock:
                line = progress.sentence(self._steps, now)
            self.say(line)

    def _note(self, name: str, change: Callable[[Step], Step]) -> None:
        with self._lock:
            self._steps[name] = change(self._steps[name])

    def _run(self, name: str, work: Callable[[], T], after: tuple[Future[Any], ...]) -> T:
        for earlier in after:
            self._await(earlier)
        began = self._clock()
        self._note(name, lambda step: replace(step, began_s=began))
        announcement = threading.Timer(QUIET_S, self.say, (f"{name} …",))
        announcement.start()
        try:
            result = work()
        finally:
            announcement.cancel()
        took = self._clock() - began
        self._note(name, lambda step: replace(step, ended_s=began + took))
        if took > QUIET_S:
            self.say(f"{name}: done in {took:.1f} s")
        return result

    def _await(self, earlier: Future[Any]) -> None:
        while wait((earlier,), timeout=_POLL_S).not_done or self.stopped:
            if self.stopped:
                raise CancelledError
        earlier.result()
