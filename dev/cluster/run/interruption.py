"""Interruption of a command: signals are noted, so that it ends where it leaves nothing half done."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

# `make` passes on what the whole process group gets: the same signal comes twice, in no time.
TWICE_S = 1.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def noted() -> Iterator[threading.Event]:
    """Yield an event that the first signal sets; one that comes later ends this process at once.

    KeyboardInterrupt at the end of the block, if there was a signal and the block has not failed.
    """
    interrupted, noted_s = threading.Event(), 0.0

    def note(_: int, __: FrameType | None) -> None:
        nonlocal noted_s
        if not interrupted.is_set():
            noted_s = time.monotonic()
            interrupted.set()
            print("interrupted: finishing what must not be left half done", file=sys.stderr, flush=True)
        elif time.monotonic() > noted_s + TWICE_S:
            os._exit(1)

    former = {each: signal.signal(each, note) for each in SIGNALS}
    try:
        yield interrupted
    finally:
        for each, handler in former.items():
            signal.signal(each, handler)
    if interrupted.is_set():
        raise KeyboardInterrupt
