"""The files of an output, with every way that a download can go wrong."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse, Response, StreamingResponse

from tests.support.replicate.scenario import File, Scenario

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

CHUNK_BYTES = 64 * 1024
PAUSES_PER_SECOND = 10
_BOX_HEADER_BYTES = 16
HTML = b"<!DOCTYPE html><title>Not found</title><h1>This file is gone</h1>\n"


@dataclass(frozen=True)
class Content:
    """Bytes, then zeros up to `size_bytes`: a file of any size that needs no memory."""

    head: bytes
    size_bytes: int

    def chunks(self, start: int, stop: int, *, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
        """Yield the bytes from start to stop."""
        for position in range(start, stop, chunk_bytes):
            end = min(position + chunk_bytes, stop)
            piece = self.head[position:end]
            yield piece + bytes(end - position - len(piece))


def lengthened(video: bytes, size_bytes: int) -> Content:
    """Return an MP4 as long as that: a `free` box at its end, which every reader skips."""
    padding = size_bytes - len(video)
    if padding < _BOX_HEADER_BYTES:
        return Content(video, len(video))
    box = (1).to_bytes(4, "big") + b"free" + padding.to_bytes(8, "big")
    return Content(video + box, size_bytes)


def content_of(scenario: Scenario, media_file: Path) -> Content:
    """Return what the scenario's file holds."""
    if scenario.file is File.EMPTY:
        return Content(b"", 0)
    if scenario.file is File.HTML:
        return Content(HTML, len(HTML))
    video = media_file.read_bytes()
    if scenario.file is File.TRUNCATED:
        half = video[: len(video) // 2]
        return Content(half, len(half))
    return lengthened(video, scenario.size_bytes)


def missing() -> Response:
    """Return what becomes of every URL within the hour."""
    return PlainTextResponse("Not Found", 404)


def unavailable() -> Response:
    """Return a failure that passes."""
    return PlainTextResponse("Service Unavailable", 503, {"retry-after": "1"})


def download(
    content: Content, *, etag: str, range_header: str | None, bytes_per_second: int, cut_after: int
) -> Response:
    """Return the file, or the part that a single range asks for; `cut_after` bytes the connection breaks (0: never)."""
    start, stop = _range(range_header, content.size_bytes)
    if start is None:
        return Response(status_code=416, headers={"content-range": f"bytes */{content.size_bytes}"})
    headers = {"content-length": str(stop - start), "accept-ranges": "bytes", "etag": etag}
    if range_header:
        headers["content-range"] = f"bytes {start}-{stop - 1}/{content.size_bytes}"
    sent_until = min(stop, start + cut_after) if cut_after else stop
    return StreamingResponse(
        _paced(content, start, sent_until, bytes_per_second=bytes_per_second),
        status_code=206 if range_header else 200,
        headers=headers,
        media_type="text/html" if content.head == HTML else "video/mp4",
    )


def _range(header: str | None, size_bytes: int) -> tuple[int | None, int]:
    if header is None:
        return 0, size_bytes
    requested = re.fullmatch(r"bytes=(\d+)-(\d*)", header)
    if requested is None or int(requested[1]) >= size_bytes:
        return None, size_bytes
    return int(requested[1]), min(int(requested[2]) + 1, size_bytes) if requested[2] else size_bytes


async def _paced(content: Content, start: int, stop: int, *, bytes_per_second: int) -> AsyncIterator[bytes]:
    chunk_bytes = max(1, min(CHUNK_BYTES, bytes_per_second // PAUSES_PER_SECOND)) if bytes_per_second else CHUNK_BYTES
    for chunk in content.chunks(start, stop, chunk_bytes=chunk_bytes):
        yield chunk
        if bytes_per_second:
            await asyncio.sleep(len(chunk) / bytes_per_second)
