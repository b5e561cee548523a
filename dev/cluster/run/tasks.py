"""Parallel tasks of one command, each with a line of progress when it starts and when it is done."""

from __future__ import annotations

import threading
import time
from concurrent.futures import FIRST_EXCEPTION, CancelledError, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# A shorter task prints no line.
QUIET_S = 0.5
_POLL_S = 0.05
MAX_TASKS = 16


class Tasks:
    """Runs functions in threads and reports on them."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._pool = ThreadPoolExecutor(MAX_TASKS)
        self._futures: list[Future[Any]] = []
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def start(self, name: str, work: Callable[[], T], *, after: tuple[Future[Any], ...] = ()) -> Future[T]:
        """Run the work once all tasks in `after` have succeeded."""
        future = self._pool.submit(self._run, name, work, after)
        self._futures.append(future)
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
        if interrupted.is_set():
            raise KeyboardInterrupt

    def stop(self, *to_end: Future[Any]) -> None:
        """Start no task any more, and wait until these have ended; the others may still run."""
        self._stopped.set()
        wait(to_end)

    def say(self, line: str) -> None:
        """Print a line with the time since the beginning."""
        with self._lock:
            print(f"{time.monotonic() - self._began:6.1f} s  {line}", file=self._stream, flush=True)

    def _run(self, name: str, work: Callable[[], T], after: tuple[Future[Any], ...]) -> T:
        for earlier in after:
            self._await(earlier)
        began = time.monotonic()
        announcement = threading.Timer(QUIET_S, self.say, (f"{name} …",))
        announcement.start()
        try:
            result = work()
        finally:
            announcement.cancel()
        took = time.monotonic() - began
        if took > QUIET_S:
            self.say(f"{name}: done in {took:.1f} s")
        return result

    def _await(self, earlier: Future[Any]) -> None:
        while wait((earlier,), timeout=_POLL_S).not_done or self.stopped:
            if self.stopped:
                raise CancelledError
        earlier.result()
