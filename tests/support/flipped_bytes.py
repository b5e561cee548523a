"""Bytes that change at each hand-over of an import: on their way to the scratch file, to the upload, to the store."""

from __future__ import annotations

import hashlib
import time
from contextlib import closing
from typing import TYPE_CHECKING

from mediaimport_api.reasons import Reason
from mediaimport_importer.download import CHUNK_BYTES
from mediaimport_importer.errors import UnavailableError
from mediaimport_importer.media.classify import HEAD_BYTES
from mediaimport_importer.media.formats import MP4
from mediaimport_importer.spool import Content, Reader, Spool, View
from mediaimport_importer.store.asset import Session, open_session

from tests.support.loopback.store_proxy import Request, proxied

if TYPE_CHECKING:
    from pathlib import Path

    from mediaimport_api.result import Result
    from mediaimport_api.task import Task

    from tests.support.import_runner import Imports
    from tests.support.source_server import Conversation


def flipped(data: bytes, at: int) -> bytes:
    """Return the data with one bit of one byte changed."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def flip_on_disk(file: Path, at: int) -> None:
    """Change one bit of one byte of a file."""
    with file.open("r+b") as opened:
        opened.seek(at)
        byte = opened.read(1)
        opened.seek(at)
        opened.write(flipped(byte, 0))


class FlippingView(View):
    """A part whose second reading gives another byte than the first."""

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Read, and flip a bit of the first byte."""
        first, count = self.tell() == 0, super().readinto(buffer)
        if first and count:
            buffer[0] ^= 1
        return count


class FlippingReader(Reader):
    """A reader that gives an upload another byte than the file has."""

    views = 0

    def read(self, size: int = -1) -> bytes:
        """Read, and flip a bit of the first piece."""
        first, data = self._position == 0, super().read(size)
        return flipped(data, 0) if first else data

    def view(self, start: int, size_bytes: int) -> View:
        """Return each part unchanged the first time, for the checksum, and flipped the second time, for the store."""
        self.views += 1
        kind = FlippingView if self.views % 2 == 0 else View
        return kind(self._file.fileno(), start, size_bytes)


def upload_verified(session: Session, reader: Reader, content: Content) -> None:
    """Store what the reader gives, and compare it with what was received."""
    size = content.size_bytes
    session.verified(MP4, session.upload(MP4, reader, size_bytes=size, max_bytes=size), content)


def content_of(spool: Spool, body: bytes) -> Content:
    """Return the description of the body as it was received."""
    return Content(spool.path, len(body), hashlib.sha256(body).hexdigest(), spool.crc64nvme)


def flipped_in_scratch_file(imports: Imports, body: bytes) -> tuple[Task, Result]:
    """Run an import whose scratch file changes a byte that has just been written to it."""
    scratch, half = imports.prober.scratch, len(body) // 2
    written = HEAD_BYTES + (half - HEAD_BYTES) // CHUNK_BYTES * CHUNK_BYTES

    def flipping(conversation: Conversation) -> None:
        conversation.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:half])
        deadline = time.monotonic() + 20
        while not (files := [each for each in scratch.glob("attempt-*") if each.stat().st_size == written]):
            if time.monotonic() > deadline:
                raise AssertionError("the first half of the body does not arrive in the scratch file")
            time.sleep(0.01)
        # The newest bytes of the file have not been read by the upload.
        flip_on_disk(files[0], written - 100)
        conversation.send(body[half:])

    task = imports.task(imports.sources.add(flipping))
    return task, imports.run(task)


def flipped_in_upload(imports: Imports, body: bytes, file: Path) -> tuple[Task, Reason]:
    """Upload a scratch file through a reader that gives another byte; return the reason for which it is refused."""
    task = imports.task("http://source.example/")
    session = open_session(imports.settings(task).store, task)
    with Spool(file, max_bytes=len(body)) as spool:
        spool.write(body)
        spool.release()
        try:
            with closing(FlippingReader(spool)) as reader:
                upload_verified(session, reader, content_of(spool, body))
        except UnavailableError as error:
            return task, error.reason
    return task, Reason.IMPORTED


def flipped_on_the_wire(imports: Imports, body: bytes) -> tuple[Task, Result]:
    """Run an import between whose upload and store one byte of each request with the original's bytes changes."""
    url = imports.sources.add(lambda conversation: conversation.answer(body))
    task = imports.task(url, deadline_seconds=10)

    def alter(request: Request, data: bytes) -> bytes:
        sends = request.operation in {"PutObject", "UploadPart"} and request.key.endswith("mp4")
        return flipped(data, 5000) if sends else data

    with proxied(imports.store) as proxy:
        proxy.alter = alter
        return task, imports.run(task, **proxy.variables)
