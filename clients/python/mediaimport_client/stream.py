"""Server-Sent Events of one asset or of all: what they say, and their format.

The format: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mediaimport_client.types import Asset

# Without "\r" at the very end: the "\n" of the same line end may follow.
_LINE = re.compile(r"\r\n|\n|\r(?!\Z)")


@dataclass(frozen=True)
class Reset:
    """List all assets now: it is the first event, and comes when too much was missed."""

    last_event_id: str | None


@dataclass(frozen=True)
class AssetChanged:
    """An asset in its newest state. `last_event_id` is None where others of the same moment follow."""

    asset: Asset
    last_event_id: str | None


@dataclass(frozen=True)
class AssetGone:
    """An asset that is deleted."""

    id: str
    last_event_id: str | None


StreamEvent = Reset | AssetChanged | AssetGone


@dataclass
class StreamParser:
    """Reads one connection; `retry_s` is the server's time to reconnect."""

    retry_s: float = 3.0
    _decoder: codecs.IncrementalDecoder = field(default_factory=codecs.getincrementaldecoder("utf-8"))
    _rest: str = ""
    _fields: dict[str, str] = field(default_factory=dict)

    def feed(self, piece: bytes) -> Iterator[StreamEvent]:
        """Yield the events that this piece ends."""
        *lines, self._rest = _LINE.split(self._rest + self._decoder.decode(piece))
        for line in lines:
            if line:
                self._take(line)
                continue
            fields, self._fields = self._fields, {}
            if "data" in fields and (event := _event(fields)) is not None:
                yield event

    def _take(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data" and "data" in self._fields:
            self._fields["data"] += f"\n{value}"
        elif name in {"data", "event", "id"}:
            self._fields[name] = value
        elif name == "retry" and value.isascii() and value.isdecimal():
            self.retry_s = int(value) / 1000


def _event(fields: dict[str, str]) -> StreamEvent | None:
    """Return the event; None for a kind of a later version."""
    last_event_id, content = fields.get("id"), json.loads(fields["data"])
    match fields.get("event"):
        case "reset":
            return Reset(last_event_id)
        case "asset":
            return AssetChanged(content, last_event_id)
        case "gone":
            # The stream of one asset does not repeat the id.
            return AssetGone(content.get("id", ""), last_event_id)
        case _:
            return None
