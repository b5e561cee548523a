"""Parallel tasks of one command, each with a line of progress when it starts and when it is done."""

from __future__ import annotations

import threading
import time
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# A shorter task prints no line.
QUIET_S = 0.5
MAX_TASKS = 16


class Tasks:
    """Runs functions in threads and reports on them."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._pool = ThreadPoolExecutor(MAX_TASKS)
        self._futures: list[Future[Any]] = []
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def start(self, name: str, work: Callable[[], T], *, after: tuple[Future[Any], ...] = ()) -> Future[T]:
        """Run the work once all tasks in `after` have succeeded."""
        future = self._pool.submit(self._run, name, work, after)
        self._futures.append(future)
        return future

    def finish(self) -> None:
        """Wait for all tasks; raise the first error as soon as there is one."""
        done, _ = wait(self._futures, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()

    def say(self, line: str) -> None:
        """Print a line with the time since the beginning."""
        with self._lock:
            print(f"{time.monotonic() - self._began:6.1f} s  {line}", file=self._stream, flush=True)

    def _run(self, name: str, work: Callable[[], T], after: tuple[Future[Any], ...]) -> T:
        for earlier in after:
            earlier.result()
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
