"""Interruption of a command: signals are noted, so that it ends where it leaves nothing half done."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def noted() -> Iterator[threading.Event]:
    """Yield an event that the first signal sets; the second one ends this process at once.

    KeyboardInterrupt at the end of the block, if there was a signal and the block has not failed.
    """
    interrupted = threading.Event()

    def note(_: int, __: FrameType | None) -> None:
        if interrupted.is_set():
            os._exit(1)
        interrupted.set()
        print("interrupted: finishing what must not be left half done", file=sys.stderr, flush=True)

    former = {each: signal.signal(each, note) for each in SIGNALS}
    try:
        yield interrupted
    finally:
        for each, handler in former.items():
            signal.signal(each, handler)
    if interrupted.is_set():
        raise KeyboardInterrupt
