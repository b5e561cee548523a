"""The memory budget of all tools that run at a time: each waits for its part of the container's memory.

Parts are locks on bytes of an anonymous file. They belong to the process that holds them, so that the parts of one
that is killed are free at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1024 * 1024
DEFAULT_BYTES = 1024 * MIB
"""The chart's default of the container's memory limit."""
PROGRAM_BYTES = 128 * MIB
"""The memory of the prober itself: the server with libvips, four forks of it and the responses that they hold.

Tools that are forks, too, have the server's 22 MiB of data in their parts, although they share most of it.
"""
PART_BYTES = 192 * MIB
"""At least a part, where the budget has more than one: what ffmpeg 7.1 reserves for 4K HEVC or 60 megapixels."""
MAX_PARTS = 4
_RETRY_S = 0.01


class NoRoomError(Exception):
    """Others have kept the memory until the deadline."""


class Budget:
    """The memory for tools. A tool gets one part of it, or the whole, and then runs alone."""

    def __init__(self, container_bytes: int = DEFAULT_BYTES) -> None:
        tools_bytes = max(container_bytes - PROGRAM_BYTES, container_bytes // 2)
        self.parts = min(MAX_PARTS, max(1, tools_bytes // PART_BYTES))
        self.part_bytes = tools_bytes // self.parts
        self._file = os.memfd_create("memory-budget")

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return the numbers of parts to try a tool with, in order."""
        return (1,) if self.parts == 1 else (1, self.parts)

    @contextlib.contextmanager
    def room(self, parts: int, *, deadline: float) -> Iterator[int]:
        """Wait for that many parts; yield their size in bytes. NoRoomError at the deadline."""
        held: set[int] = set()
        try:
            # One process at a time gathers parts, so that two do not wait for each other's.
            with self._turn(deadline):
                self._gather(parts, held, deadline)
            yield parts * self.part_bytes
        finally:
            for each in held:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, each)

    @contextlib.contextmanager
    def _turn(self, deadline: float) -> Iterator[None]:
        while not self._locked(self.parts):
            _wait(deadline)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, self.parts)

    def _gather(self, parts: int, held: set[int], deadline: float) -> None:
        while True:
            for each in range(self.parts):
                if len(held) < parts and each not in held and self._locked(each):
                    held.add(each)
            if len(held) == parts:
                return
            _wait(deadline)

    def _locked(self, byte: int) -> bool:
        """Try to lock a byte; return whether this process holds it."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        except OSError:
            return False
        return True


def _wait(deadline: float) -> None:
    if time.monotonic() >= deadline:
        raise NoRoomError
    time.sleep(_RETRY_S)
