"""The files of an output, with every way that a download can go wrong."""

from __future__ import annotations

import asyncio
import random
import re
import struct
import zlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse, Response, StreamingResponse

from tests.support.png import SIGNATURE, chunk
from tests.support.replicate.scenario import File, Scenario

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

CHUNK_BYTES = 64 * 1024
PAUSES_PER_SECOND = 10
_BOX_HEADER_BYTES = 16
PICTURE_PIXELS = 1024
"""Width and height of the picture, which has about 200 KB."""
_GRAINY_ROW = 12
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


@cache
def picture() -> bytes:
    """Return a PNG: colours that fade into each other, and a grain that makes it as long as a real picture."""
    size, grain = PICTURE_PIXELS, random.Random(0)  # noqa: S311 - no secret
    ramp, one_bit = bytes(x * 256 // size for x in range(size)), bytes(value & 1 for value in range(256))
    rows = bytearray()
    for y in range(size):
        row = bytearray(3 * size)
        row[0::3], row[1::3] = ramp, bytes([ramp[y]]) * size
        if y % _GRAINY_ROW == 0:
            row[2::3] = grain.randbytes(size).translate(one_bit)
        rows += b"\0" + row
    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def content_of(scenario: Scenario, media_file: Path) -> Content:
    """Return what the scenario's file holds."""
    if scenario.file is File.EMPTY:
        return Content(b"", 0)
    if scenario.file is File.HTML:
        return Content(HTML, len(HTML))
    if scenario.file is File.PICTURE:
        return Content(picture(), len(picture()))
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
        media_type=_media_type(content.head),
    )


def _media_type(head: bytes) -> str:
    if head == HTML:
        return "text/html"
    return "image/png" if head.startswith(SIGNATURE) else "video/mp4"


def _range(header: str | None, size_bytes: int) -> tuple[int | None, int]:
    if header is None:
        return 0, size_bytes
    requested = re.fullmatch(r"bytes=(\d+)-(\d*)", header)
    if requested is None or int(requested[1]) >= size_bytes:
        return None, size_bytes
    return int(requested[1]), min(int(requested[2]) + 1, size_bytes) if requested[2] else size_bytes


async def _paced(content: Content, start: int, stop: int, *, bytes_per_second: int) -> AsyncIterator[bytes]:
    chunk_bytes = max(1, min(CHUNK_BYTES, bytes_per_second // PAUSES_PER_SECOND)) if bytes_per_second else CHUNK_BYTES
    for piece in content.chunks(start, stop, chunk_bytes=chunk_bytes):
        yield piece
        if bytes_per_second:
            await asyncio.sleep(len(piece) / bytes_per_second)
