"""Polling of a condition."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from dev.cluster.errors import NotReadyError

if TYPE_CHECKING:
    from collections.abc import Callable

INTERVAL_S = 0.05


def until(condition: Callable[[], bool], *, timeout_s: float, what: str) -> None:
    """Return once the condition holds; raise NotReadyError if it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise NotReadyError(f"{what}: not so after {timeout_s:.0f} s")
        time.sleep(INTERVAL_S)
