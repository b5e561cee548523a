"""Parts of a longer work, run side by side, each saying when it begins to take time and when it is done."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Any, TextIO, TypeVar

T = TypeVar("T")

# What takes less is not worth a line.
QUIET_S = 0.5
MAX_PARTS = 16


class Parts:
    """Runs functions in threads and reports on them."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._pool = ThreadPoolExecutor(MAX_PARTS)
        self._futures: list[Future[Any]] = []
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def start(self, name: str, work: Callable[[], T], *, after: tuple[Future[Any], ...] = ()) -> "Future[T]":
        """Run the work once everything that it comes after has succeeded."""
        future = self._pool.submit(self._run, name, work, after)
        self._futures.append(future)
        return future

    def finish(self) -> None:
        """Wait for all of them; raise at once what the first to fail raised."""
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
        begun = threading.Timer(QUIET_S, self.say, (f"{name} …",))
        begun.start()
        try:
            result = work()
        finally:
            begun.cancel()
        took = time.monotonic() - began
        if took > QUIET_S:
            self.say(f"{name}: done in {took:.1f} s")
        return result
