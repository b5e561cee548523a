"""SIGTERM ends an attempt at once, except in the few moments of its commit."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_importer.errors import InterruptedAttemptError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Interruption:
    """Raises InterruptedAttemptError in the main thread, once."""

    _held: bool = False
    _came: bool = False

    def install(self) -> None:
        """Take over SIGTERM and SIGINT."""
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, lambda *_: self.come())

    def come(self) -> None:
        """Interrupt what runs, unless it is held or was interrupted before: cleaning up is not interrupted."""
        first, self._came = not self._came, True
        if first and not self._held:
            raise InterruptedAttemptError

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let what is inside come to its end: the original is stored, and its sidecar takes a moment."""
        self._held = True
        yield
