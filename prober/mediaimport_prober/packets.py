"""Sums of ffprobe's list of packets, which is read piece by piece and not kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mediaimport_prober.protocol import MAX_STREAMS

_MAX_LINE = 1024
_MAX_INDEX = 9
"""Digits of a stream's number."""


@dataclass
class PacketSums:
    """For each stream the number of packets and the end of the last one in seconds, of lines that arrive in pieces."""

    _streams: dict[str, dict[str, Any]] = field(default_factory=dict)
    _rest: bytes = b""

    def add(self, piece: bytes) -> None:
        """Add the lines that end in this piece."""
        *lines, rest = (self._rest + piece).split(b"\n")
        self._rest = rest[:_MAX_LINE]
        for line in lines:
            self._add_line(line.decode("ascii", "replace"))

    @property
    def document(self) -> dict[str, Any]:
        """Return the response's document."""
        return {"streams": self._streams}

    def _add_line(self, line: str) -> None:
        index, _, times = line.partition(",")
        if not index.isdigit() or len(index) > _MAX_INDEX:
            return
        if index not in self._streams and len(self._streams) >= MAX_STREAMS:
            return
        stream = self._streams.setdefault(index, {"packets": 0, "endS": None})
        stream["packets"] += 1
        end_s = _end(times)
        if end_s is not None and (stream["endS"] is None or end_s > stream["endS"]):
            stream["endS"] = end_s


def _end(times: str) -> float | None:
    start, _, length = times.partition(",")
    try:
        begun_s = float(start)
    except ValueError:
        return None
    try:
        return begun_s + float(length.strip(","))
    except ValueError:
        return begun_s
