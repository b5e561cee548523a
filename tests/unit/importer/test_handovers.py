"""Bytes that change on their way: an import ends with the right ones, or not at all.

`pytest -q -s` prints the table of outcomes by hand-over.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from mediaimport_api.names import AssetKeys
from mediaimport_api.reasons import Reason
from mediaimport_api.status import MediaWarning
from mediaimport_importer.errors import UnavailableError
from mediaimport_importer.media.formats import MP4
from mediaimport_importer.spool import Content, Spool
from mediaimport_importer.store.asset import Session, open_session
from mediaimport_importer.store.multipart import MIN_PART_BYTES

from tests.support.flipped_bytes import (
    FlippingReader,
    content_of,
    flip_on_disk,
    flipped,
    flipped_in_scratch_file,
    flipped_in_upload,
    flipped_on_the_wire,
    upload_verified,
)
from tests.support.loopback.store import BUCKET
from tests.support.loopback.store_proxy import Request, proxied, without_checksums
from tests.support.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mediaimport_api.result import Result
    from mediaimport_api.task import Task

    from tests.support.import_runner import Imports
    from tests.support.media_studio import Studio
    from tests.support.source_server import Conversation, Sources

SIZES = [300_000, MIN_PART_BYTES * 2 + 300_000]
"""Of one PUT, and of three parts where the store is asked without TLS."""
only_small = pytest.mark.parametrize("body", SIZES[:1], ids=["small"], indirect=True)
"""For hand-overs that are the same for an original of any size."""


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


@pytest.fixture(scope="module")
def table() -> Iterator[Table]:
    filled = Table("flipped byte")
    yield filled
    filled.show()


@pytest.fixture
def record(request: pytest.FixtureRequest, table: Table) -> Callable[[str, str], None]:
    """Fill the cell of a hand-over, in the column of this test's store and size."""
    server, size = request.node.callspec.params["any_store"], request.node.callspec.params["body"]
    column = f"{server}, {size / 1e6:.1f} MB"
    return lambda row, outcome: table.put(row, column, outcome)


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
        return content_of(spool, body)


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
    session: Session, content: Content, tmp_path: Path, body: bytes, record: Callable[[str, str], None]
) -> None:
    with Spool(tmp_path / "file", max_bytes=1 << 30) as spool:
        spool.write(body)
        spool.release()
        with closing(FlippingReader(spool)) as reader, pytest.raises(UnavailableError):
            upload_verified(session, reader, content)
        session.reupload(MP4, spool, content, check_first=True)
    assert session.bucket.sha256(session.target(MP4).key) == content.sha256
    record("scratch file → upload, once", "replaced")


def test_byte_that_changes_on_the_wire_is_sent_again(
    any_imports: Imports, sources: Sources, body: bytes, record: Callable[[str, str], None]
) -> None:
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
    record("upload → store, once", "sent again, Imported")


@only_small
def test_byte_that_changes_between_scratch_file_and_upload_is_named(
    any_imports: Imports, tmp_path: Path, body: bytes
) -> None:
    _, reason = flipped_in_upload(any_imports, body, tmp_path / "file")

    assert reason in {Reason.CORRUPTED, Reason.STORE_UNAVAILABLE}


def test_bytes_that_always_change_on_the_wire_are_never_imported(
    any_imports: Imports, body: bytes, record: Callable[[str, str], None]
) -> None:
    task, result = flipped_on_the_wire(any_imports, body)

    assert result.reason is Reason.STORE_UNAVAILABLE, result
    assert any_imports.stored(task) == {}
    assert any_imports.left_over() == []
    record("upload → store, always", result.reason)


def test_byte_that_changes_in_the_scratch_file_of_an_import_ends_it(
    any_imports: Imports, body: bytes, record: Callable[[str, str], None]
) -> None:
    task, result = flipped_in_scratch_file(any_imports, body)

    assert result.reason is Reason.CORRUPTED, result
    assert any_imports.stored(task) == {}
    assert any_imports.left_over() == []
    record("hash → scratch file", result.reason)


def served(body: bytes, *, flip_at: int, resumed: bool) -> Callable[[Conversation], None]:
    """Return a script whose body has one other byte; `resumed`: in the part that follows a break."""
    altered = flipped(body, flip_at)

    def script(conversation: Conversation) -> None:
        if not resumed:
            return conversation.answer(altered)
        asked = conversation.header("Range")
        if asked is None:
            return conversation.answer(body[: len(body) // 2], Content_Length=str(len(body)), ETag='"one"')
        begin = int(asked.removeprefix("bytes=").rstrip("-"))
        range_ = f"bytes {begin}-{len(body) - 1}/{len(body)}"
        return conversation.answer(altered[begin:], status="206 Partial Content", Content_Range=range_, ETag='"one"')

    return script


HANDOVERS_OF_THE_SOURCE = {"network → hash": False, "resumed download → hash": True}


@only_small
@pytest.mark.parametrize("row", HANDOVERS_OF_THE_SOURCE)
def test_byte_that_changes_before_it_is_hashed_is_found_by_the_expected_hash(
    any_imports: Imports, sources: Sources, body: bytes, record: Callable[[str, str], None], row: str
) -> None:
    flip_at = len(body) - 1000
    script = served(body, flip_at=flip_at, resumed=HANDOVERS_OF_THE_SOURCE[row])
    expected = {"sha256": hashlib.sha256(body).hexdigest()}
    task = any_imports.task(sources.add(script), expected=expected)

    result = any_imports.run(task)

    assert result.reason is Reason.CHECKSUM_MISMATCH, result
    assert any_imports.stored(task) == {}
    assert any_imports.left_over() == []
    record(f"{row}, spec.expected.sha256", result.reason)


@only_small
@pytest.mark.parametrize("row", HANDOVERS_OF_THE_SOURCE)
def test_byte_that_changes_before_it_is_hashed_is_stored_and_hashed_as_it_came(
    any_imports: Imports, sources: Sources, body: bytes, record: Callable[[str, str], None], row: str
) -> None:
    """Nothing but the source knows the right bytes; the hash names those that are stored."""
    flip_at = len(body) - 1000
    task = any_imports.task(sources.add(served(body, flip_at=flip_at, resumed=HANDOVERS_OF_THE_SOURCE[row])))

    result = any_imports.run(task)

    agrees(any_imports, task, result, flipped(body, flip_at))
    record(row, "Imported, hash of what came")


@only_small
@pytest.mark.parametrize(
    ("row", "name"), [("sidecar → store, once", "asset.json"), ("thumbnail → store, once", "thumbnail.jpg")]
)
def test_byte_of_a_record_that_changes_on_the_wire_is_sent_again(  # noqa: PLR0913, PLR0917 - fixtures
    any_imports: Imports, sources: Sources, body: bytes, record: Callable[[str, str], None], row: str, name: str
) -> None:
    task = any_imports.task(sources.add(lambda conversation: conversation.answer(body)))
    sent: list[bytes] = []

    def alter(request: Request, data: bytes) -> bytes:
        if not request.key.endswith(name) or request.operation != "PutObject":
            return data
        sent.append(data)
        return flipped(data, len(data) // 2) if len(sent) == 1 else data

    with proxied(any_imports.store) as proxy:
        proxy.alter = alter
        result = any_imports.run(task, **proxy.variables)

    agrees(any_imports, task, result, body)
    assert len(sent) == 2
    assert sent[0] == sent[1] == stored_bytes(any_imports, task, name)
    record(row, "sent again, Imported")


CHECKSUM = re.compile(rb"(?i)(x-amz-checksum-[a-z0-9]+: |<Checksum(?:SHA256|CRC64NVME)>)([A-Za-z0-9+/])")


def test_byte_of_the_stores_answer_that_changes_costs_another_look(
    any_imports: Imports, sources: Sources, body: bytes, record: Callable[[str, str], None]
) -> None:
    task = any_imports.task(sources.add(lambda conversation: conversation.answer(body)))
    altered: list[str] = []

    def alter(request: Request, answer: bytes) -> bytes:
        last = request.operation in {"PutObject", "CompleteMultipartUpload"} and request.key.endswith("mp4")
        if not last or altered or CHECKSUM.search(answer) is None:
            return answer
        altered.append(str(request))
        return CHECKSUM.sub(lambda found: found[1] + (b"A" if found[2] != b"A" else b"B"), answer)

    with proxied(any_imports.store) as proxy:
        proxy.alter_answer = alter
        result = any_imports.run(task, **proxy.variables)

    agrees(any_imports, task, result, body)
    record("store's answer → importer, once", "looked up, Imported" if altered else "no checksum in it, Imported")


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
