"""Headers of the importer's writes: encryption, checksums, conditions, the owner's mark."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_importer.store.asset import Location
from mediaimport_importer.store.multipart import MIN_PART_BYTES

from tests.support.import_runner import Imports
from tests.support.loopback.store_proxy import WRITES, Request, StoreProxy, proxied

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mediaimport_api.task import Task

    from tests.support.loopback.store import Store
    from tests.support.media_studio import Studio
    from tests.support.running_prober import RunningProber
    from tests.support.source_server import Sources

CHECKSUM, SIZE, TYPE = "x-amz-checksum-crc64nvme", "x-amz-mp-object-size", "x-amz-checksum-type"


def imported(proxy: StoreProxy, imports: Imports, task: Task, **variables: str) -> dict[str, Request]:
    """Import through the proxy; return the writes by name."""
    result = imports.run(task, **proxy.variables, **variables)
    assert result.reason is Reason.IMPORTED, result
    return {str(each): each for each in proxy.requests if each.method in WRITES}


def filled(studio: Studio, size_bytes: int = MIN_PART_BYTES + 8) -> bytes:
    """Return a video with a box of that size at its end."""
    return studio.video().read_bytes() + size_bytes.to_bytes(4, "big") + b"free" + bytes(size_bytes - 8)


@pytest.fixture
def task(any_imports: Imports, sources: Sources, studio: Studio) -> Task:
    return any_imports.task(sources.add(lambda conversation: conversation.answer(filled(studio))))


@pytest.mark.parametrize("server", ["versitygw", "versitygw (plain)"])
def test_every_object_is_encrypted_as_s3_sse_says(  # noqa: PLR0913, PLR0917 - what Imports is made of
    stores: Callable[[str], Store], sources: Sources, prober: RunningProber, tmp_path: Path, studio: Studio, server: str
) -> None:
    """SeaweedFS has no key to encrypt with."""
    imports = Imports(stores(server), sources, prober, tmp_path)
    task = imports.task(sources.add(lambda conversation: conversation.answer(filled(studio))))
    with proxied(imports.store) as proxy:
        imported(proxy, imports, task, S3_SSE="AES256")
        asked = {
            str(each): each.header("x-amz-server-side-encryption") for each in proxy.requests if each.method in WRITES
        }
    creates = {name for name in asked if name.startswith(("PutObject", "CreateMultipartUpload"))}
    assert len(creates) == 3
    assert {name for name, value in asked.items() if value == "AES256"} == creates


def test_every_part_and_the_whole_have_a_checksum(plain_imports: Imports, sources: Sources, studio: Studio) -> None:
    body = filled(studio, 2 * MIN_PART_BYTES)
    task = plain_imports.task(sources.add(lambda conversation: conversation.answer(body)))
    with proxied(plain_imports.store) as proxy:
        writes = imported(proxy, plain_imports, task)
        parts = [each.header(CHECKSUM) for each in proxy.requests if each.operation == "UploadPart"]
    whole = writes["CompleteMultipartUpload video.mp4"]
    assert len(parts) == 3
    assert all(each and len(base64.b64decode(each)) == 8 for each in parts)
    assert (whole.header(TYPE), whole.header(SIZE)) == ("FULL_OBJECT", str(len(body)))
    assert len(base64.b64decode(whole.header(CHECKSUM) or "")) == 8


def test_original_and_thumbnail_carry_the_owners_mark_and_a_condition_guards_what_is_written_once(
    any_imports: Imports, task: Task
) -> None:
    with proxied(any_imports.store) as proxy:
        writes = imported(proxy, any_imports, task)
    marked = {name for name, each in writes.items() if each.header("x-amz-meta-mediaimport") == Location.of(task).mark}
    guarded = {name for name, each in writes.items() if each.header("if-none-match") == "*"}
    put = any_imports.store.certificate is not None
    created = "PutObject video.mp4" if put else "CreateMultipartUpload video.mp4"
    completed = "PutObject video.mp4" if put else "CompleteMultipartUpload video.mp4"
    assert marked == {created, "PutObject thumbnail.jpg"}
    assert guarded == {completed, "PutObject asset.json"}
