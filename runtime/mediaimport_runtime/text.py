"""Text for people: sizes, durations, messages that are bounded and give nothing away."""

from __future__ import annotations

import re

_URL_TAIL = re.compile(r"(https?://[^\s?#\"']+)[?#][^\s\"']*", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(https?://)[^\s/@\"']+@", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_KIBI = 1024


def size_text(size_bytes: int) -> str:
    """Return `1.5 MiB` and the like."""
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < _KIBI:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= _KIBI
    return f"{size:.1f} TiB"


def duration_text(duration_ms: int) -> str:
    """Return `5.2s`, `1m05s` or `2h03m`: how long the media plays."""
    seconds = duration_ms / 1000
    if seconds < 59.95:  # noqa: PLR2004 - what rounds to 60.0 is a minute
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004 - minutes of an hour
        return f"{minutes}m{rest:02d}s"
    return f"{minutes // 60}h{minutes % 60:02d}m"


def truncate(text: str, limit: int) -> str:
    """Return the text, its end cut off where it is longer than `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def public(text: str, limit: int) -> str:
    """Return foreign text fit for a status or a log: no URL's query, no credentials, no control characters."""
    bare = _CREDENTIALS.sub(r"\1", _URL_TAIL.sub(r"\1", text))
    return truncate(_CONTROL.sub(" ", bare).strip(), limit)
