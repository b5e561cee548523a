"""Bytes that change on their way: an import ends with the right ones, or not at all."""

from __future__ import annotations

import hashlib
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from mediaimport_api.names import AssetKeys
from mediaimport_api.reasons import Reason
from mediaimport_api.status import MediaWarning
from mediaimport_importer.download import CHUNK_BYTES
from mediaimport_importer.errors import UnavailableError
from mediaimport_importer.media.classify import HEAD_BYTES, MP4
from mediaimport_importer.spool import Content, Reader, Spool, View
from mediaimport_importer.store.asset import Session, open_session
from mediaimport_importer.store.multipart import MIN_PART_BYTES

from tests.support.loopback.store import BUCKET
from tests.support.loopback.store_proxy import Request, proxied, without_checksums

if TYPE_CHECKING:
    from pathlib import Path

    from mediaimport_api.result import Result
    from mediaimport_api.task import Task

    from tests.support.import_runner import Imports
    from tests.support.media_studio import Studio
    from tests.support.source_server import Conversation, Sources

SIZES = [300_000, MIN_PART_BYTES * 2 + 300_000]
"""Of one PUT, and of three parts where the store is asked without TLS."""


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def flip_on_disk(file: Path, at: int) -> None:
    with file.open("r+b") as opened:
        opened.seek(at)
        byte = opened.read(1)
        opened.seek(at)
        opened.write(bytes([byte[0] ^ 1]))


def stored_bytes(imports: Imports, task: Task, name: str = "video.mp4") -> bytes | None:
    key = AssetKeys(user_id=task.spec.user_id, asset_id=task.asset_id).prefix + name
    if name not in imports.stored(task):
        return None
    found: bytes = imports.store.client().get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return found


def agrees(imports: Imports, task: Task, result: Result, body: bytes) -> None:
    """Assert that an import that has ended Imported names the hash of what is stored, which is what was served."""
    assert result.reason is Reason.IMPORTED, result
    assert result.asset is not None
    assert stored_bytes(imports, task) == body
    assert result.asset.sha256 == hashlib.sha256(body).hexdigest()


@pytest.fixture(params=SIZES, ids=["small", "large"])
def body(request: pytest.FixtureRequest, studio: Studio) -> bytes:
    """A video with a box at its end that fills it up to a size."""
    video = studio.video().read_bytes()
    filler: int = request.param - len(video)
    return video + filler.to_bytes(4, "big") + b"free" + bytes(filler - 8)


@pytest.fixture
def session(any_imports: Imports) -> Session:
    """An attempt's session, without its pipeline."""
    task = any_imports.task("http://source.example/")
    return open_session(any_imports.settings(task).store, task)


@pytest.fixture
def content(tmp_path: Path, body: bytes) -> Content:
    """The description of the body as it was received."""
    with Spool(tmp_path / "whole", max_bytes=1 << 30) as spool:
        spool.write(body)
        return Content(tmp_path / "whole", len(body), hashlib.sha256(body).hexdigest(), spool.crc64nvme)


def upload_verified(session: Session, reader: Reader, content: Content) -> None:
    size = content.size_bytes
    session.verified(MP4, session.upload(MP4, reader, size_bytes=size, max_bytes=size), content)


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


def test_byte_that_changes_between_network_and_scratch_file_is_not_stored(
    session: Session, content: Content, tmp_path: Path, body: bytes
) -> None:
    with Spool(tmp_path / "file", max_bytes=1 << 30) as spool:
        spool.write(body)
        flip_on_disk(spool.path, 1000)
        spool.release()
        with pytest.raises(UnavailableError) as caught:
            session.reupload(MP4, spool, content, check_first=False)
    assert caught.value.reason is Reason.CORRUPTED
    assert session.bucket.head(session.target(MP4).key) is None


def test_byte_that_changes_between_scratch_file_and_upload_is_found_and_replaced(
    session: Session, content: Content, tmp_path: Path, body: bytes
) -> None:
    with Spool(tmp_path / "file", max_bytes=1 << 30) as spool:
        spool.write(body)
        spool.release()
        with closing(FlippingReader(spool)) as reader, pytest.raises(UnavailableError):
            upload_verified(session, reader, content)
        session.reupload(MP4, spool, content, check_first=True)
    assert session.bucket.sha256(session.target(MP4).key) == content.sha256


def test_byte_that_changes_on_the_wire_is_sent_again(any_imports: Imports, sources: Sources, body: bytes) -> None:
    task = any_imports.task(sources.add(lambda conversation: conversation.answer(body)))
    altered: list[str] = []

    def alter(request: Request, data: bytes) -> bytes:
        if request.operation not in {"PutObject", "UploadPart"} or not request.key.endswith("mp4") or altered:
            return data
        altered.append(str(request))
        return flipped(data, 5000)

    with proxied(any_imports.store) as proxy:
        proxy.alter = alter
        result = any_imports.run(task, **proxy.variables)

    assert len(altered) == 1
    agrees(any_imports, task, result, body)


def test_bytes_that_always_change_on_the_wire_are_never_imported(
    any_imports: Imports, sources: Sources, body: bytes
) -> None:
    task = any_imports.task(sources.add(lambda conversation: conversation.answer(body)), deadline_seconds=10)

    def alter(request: Request, data: bytes) -> bytes:
        sends = request.operation in {"PutObject", "UploadPart"} and request.key.endswith("mp4")
        return flipped(data, 5000) if sends else data

    with proxied(any_imports.store) as proxy:
        proxy.alter = alter
        result = any_imports.run(task, **proxy.variables)

    assert result.reason is Reason.STORE_UNAVAILABLE, result
    assert any_imports.stored(task) == {}
    assert any_imports.left_over() == []


def test_byte_that_changes_in_the_scratch_file_of_an_import_ends_it(
    any_imports: Imports, sources: Sources, body: bytes
) -> None:
    scratch, half = any_imports.prober.scratch, len(body) // 2
    written = HEAD_BYTES + (half - HEAD_BYTES) // CHUNK_BYTES * CHUNK_BYTES

    def flipping(conversation: Conversation) -> None:
        conversation.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:half])
        deadline = time.monotonic() + 20
        while not (files := [each for each in scratch.glob("attempt-*") if each.stat().st_size == written]):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        # The newest bytes of the file have not been read by the upload.
        flip_on_disk(files[0], written - 100)
        conversation.send(body[half:])

    task = any_imports.task(sources.add(flipping))
    result = any_imports.run(task)
    assert result.reason is Reason.CORRUPTED, result
    assert any_imports.stored(task) == {}
    assert any_imports.left_over() == []


def test_stored_original_of_the_same_size_and_another_hash_is_not_believed(
    any_imports: Imports, sources: Sources, body: bytes
) -> None:
    task = any_imports.task(sources.add(lambda conversation: conversation.answer(body)))
    agrees(any_imports, task, any_imports.run(task), body)
    key = AssetKeys(user_id=task.spec.user_id, asset_id=task.asset_id).prefix + "video.mp4"
    head = any_imports.store.client().head_object(Bucket=BUCKET, Key=key)
    any_imports.store.client().put_object(
        Bucket=BUCKET, Key=key, Body=flipped(body, 1000), Metadata=head["Metadata"], ContentType="video/mp4"
    )

    agrees(any_imports, task, any_imports.run(task.model_copy(update={"attempt": 2})), body)


def test_orphaned_original_of_the_same_size_and_another_hash_is_replaced(
    any_imports: Imports, sources: Sources, body: bytes
) -> None:
    """An earlier attempt was killed before its sidecar; the source serves other bytes of the same number since."""
    task = any_imports.task(sources.add(lambda conversation: conversation.answer(body)))
    mark = open_session(any_imports.settings(task).store, task).location.mark
    key = AssetKeys(user_id=task.spec.user_id, asset_id=task.asset_id).prefix + "video.mp4"
    any_imports.store.client().put_object(
        Bucket=BUCKET, Key=key, Body=flipped(body, 1000), Metadata={"mediaimport": mark}, ContentType="video/mp4"
    )

    agrees(any_imports, task, any_imports.run(task), body)


def test_checksums_of_the_store_leave_no_warning(any_imports: Imports, sources: Sources, body: bytes) -> None:
    task = any_imports.task(sources.add(lambda conversation: conversation.answer(body)))
    result = any_imports.run(task)
    agrees(any_imports, task, result, body)
    assert result.media is not None
    assert result.media.warnings is None


@pytest.mark.parametrize("checksums", ["true", "false"])
def test_store_that_gives_no_checksum_is_a_warning(
    any_imports: Imports, sources: Sources, body: bytes, checksums: str
) -> None:
    task = any_imports.task(sources.add(lambda conversation: conversation.answer(body)))
    with proxied(any_imports.store) as proxy:
        proxy.alter_answer = without_checksums
        result = any_imports.run(task, S3_CHECKSUMS=checksums, **proxy.variables)
    agrees(any_imports, task, result, body)
    assert result.media is not None
    assert result.media.warnings == [MediaWarning.CHECKSUM_UNVERIFIED]
