"""Every reason that an attempt can end with, provoked by a real source or a real store."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.reasons import ExitCode, Reason
from mediaimport_api.sidecar import source_fingerprint
from mediaimport_api.task import Deletion
from mediaimport_importer.deletion import delete_asset
from mediaimport_importer.store.bucket import connect
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.store_settings import StoreSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_api.result import Result
    from mediaimport_api.task import Task

    from tests.support.import_runner import Imports
    from tests.support.media_studio import Studio
    from tests.support.source_server import Conversation, Sources

Script = dict[str, Any]
SECRET = "hidden"

ANSWERS: dict[Reason, Script] = {
    Reason.SOURCE_NOT_FOUND: {"status": "410 Gone"},
    Reason.SOURCE_EXPIRED: {"status": "403 Forbidden"},
    Reason.SOURCE_UNAUTHORIZED: {"status": "401 Unauthorized"},
    Reason.SOURCE_BLOCKED: {"status": "302 Found", "Location": "http://169.254.169.254/latest"},
    Reason.SOURCE_UNAVAILABLE: {"status": "503 Service Unavailable"},
    Reason.NOT_MEDIA: {"body": b"<!DOCTYPE html><title>Expired</title>"},
    Reason.UNSUPPORTED_FORMAT: {"body": b"FORM\0\0\1\0AIFF" + bytes(200)},
    Reason.PROBE_FAILED: {"body": b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + bytes(500)},
    Reason.TRUNCATED: {"body": bytes(1000), "Content_Length": "5000"},
}
SPECS: dict[Reason, dict[str, Any]] = {
    Reason.IMPORTED: {},
    Reason.SPEC_INVALID: {"source": {"headersSecretRef": {"name": "mediaimport-source-gone"}}},
    Reason.TYPE_MISMATCH: {"type": "audio"},
    Reason.CHECKSUM_MISMATCH: {"expected": {"sha256": "0" * 64}},
    Reason.SIZE_MISMATCH: {"expected": {"size_bytes": 1}},
}
VARIABLES: dict[Reason, dict[str, str]] = {
    Reason.STORE_DENIED: {"S3_SECRET_ACCESS_KEY": "wrong"},
    Reason.STORE_MISSING: {"S3_BUCKET_NAME": "nowhere"},
    Reason.STORE_UNAVAILABLE: {"S3_ENDPOINT_URL": "https://127.0.0.1:1"},
    Reason.SCRATCH_EXCEEDED: {"SCRATCH_SIZE_BYTES": "1000"},
    Reason.UNEXPECTED: {"SCRATCH_DIRECTORY": "/nowhere"},
}
REFUSING: dict[str, Any] = {"undescribed": "Refuse"}
"""Spec of those who want described media only: for others these are no failures, see test_kept.py."""
ELSEWHERE = {
    Reason.INTERRUPTED,  # by a signal to the process: test_process.py
    Reason.SETTINGS_INVALID,  # before the attempt: test_process.py
    Reason.DISK_FULL,  # by the disk: test_spool.py
    Reason.CORRUPTED,  # by bytes that change: test_handovers.py
    Reason.OUT_OF_MEMORY,  # by a prober without memory: test_out_of_memory.py
}


def ended(imports: Imports, task: Task, reason: Reason, **variables: str) -> Result:
    """Return the attempt's end, which is this one, says what to do and left nothing."""
    result = imports.run(task, **variables)
    assert result.reason is reason, result
    assert len(result.message) > 15
    assert SECRET not in imports.log.getvalue() + result.message
    assert imports.left_over() == []
    return result


@pytest.mark.parametrize("reason", ANSWERS)
def test_answer_of_a_source_ends_with_its_reason(imports: Imports, sources: Sources, reason: Reason) -> None:
    script = dict(ANSWERS[reason])
    body = script.pop("body", b"")
    query = "?X-Amz-Signature=hidden" if reason is Reason.SOURCE_EXPIRED else "?key=hidden"
    url = sources.add(lambda conversation: conversation.answer(body, **script), query=query)
    task = imports.task(url, **REFUSING)

    ended(imports, task, reason)

    assert imports.stored(task) == {}


@pytest.mark.parametrize("reason", SPECS)
def test_spec_for_valid_media_ends_with_its_reason(
    imports: Imports, sources: Sources, studio: Studio, reason: Reason
) -> None:
    url, spec = sources.file(studio.video()) + "?key=hidden", dict(SPECS[reason])
    spec["source"] = {"url": url} | spec.get("source", {})
    task = imports.task(url, **spec)

    ended(imports, task, reason)

    assert bool(imports.stored(task)) is (reason is Reason.IMPORTED)


@pytest.mark.parametrize("reason", VARIABLES)
def test_invalid_setting_ends_with_its_reason(
    imports: Imports, sources: Sources, studio: Studio, reason: Reason
) -> None:
    task = imports.task(sources.file(studio.video()) + "?key=hidden", deadline_seconds=30)

    ended(imports, task, reason, **VARIABLES[reason])

    assert imports.stored(task) == {}


def too_large(imports: Imports, sources: Sources, studio: Studio) -> Task:
    return imports.task(sources.file(studio.video()), max_size_bytes=1000)


def taken(imports: Imports, sources: Sources, studio: Studio) -> Task:
    first = imports.task(sources.file(studio.image()), name="first")
    imports.run(first)
    return imports.task(sources.file(studio.image()), name="second", asset_id=first.asset_id)


def deleted(imports: Imports, sources: Sources, studio: Studio) -> Task:
    task = imports.task(sources.file(studio.image()))
    imports.run(task)
    gone = Deletion(
        owner=task.owner,
        user_id=task.spec.user_id,
        asset_id=task.asset_id,
        source_fingerprint=source_fingerprint(task.spec.source.location),
    )
    store = connect(StoreSettings.read(Environment(imports.store.variables())))
    delete_asset(store, gone, now=datetime.now(UTC))
    return task


def too_many_pixels(imports: Imports, sources: Sources, studio: Studio) -> Task:  # noqa: ARG001 - as the others
    return imports.task(sources.add(lambda conversation: conversation.answer(bitmap(12_000, 9_000))), **REFUSING)


def bitmap(width: int, height: int) -> bytes:
    """Return a black bitmap."""
    rows = bytes(width // 8 * height)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 1, 0, len(rows), 0, 0, 2, 0)
    return b"BM" + struct.pack("<IHHI", 62 + len(rows), 0, 0, 62) + header + b"\0\0\0\0\xff\xff\xff\0" + rows


MADE: dict[Reason, Callable[[Imports, Sources, Studio], Task]] = {
    Reason.SOURCE_TOO_LARGE: too_large,
    Reason.ASSET_TAKEN: taken,
    Reason.ASSET_DELETED: deleted,
    Reason.PIXEL_LIMIT_EXCEEDED: too_many_pixels,
}


@pytest.mark.parametrize("reason", MADE)
def test_refusal_by_size_or_existing_asset_ends_with_its_reason(
    imports: Imports, sources: Sources, studio: Studio, reason: Reason
) -> None:
    task = MADE[reason](imports, sources, studio)
    before = imports.stored(task)

    ended(imports, task, reason)

    assert imports.stored(task) == before


def test_source_without_a_length_ends_at_the_scratch_limit(imports: Imports, sources: Sources) -> None:
    def endless(conversation: Conversation) -> None:
        conversation.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        start = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"
        for _ in range(100):
            conversation.send(b"186a0\r\n" + start.ljust(100_000, b"\0") + b"\r\n")

    task = imports.task(sources.add(endless))

    ended(imports, task, Reason.SCRATCH_EXCEEDED, SCRATCH_SIZE_BYTES="3000000")

    assert imports.stored(task) == {}


def test_no_reason_of_an_importer_is_left_out() -> None:
    told = {reason for reason in Reason if reason.facts.exit_code is not None}

    assert told == {*ANSWERS, *SPECS, *VARIABLES, *MADE, *ELSEWHERE}
    assert {reason.facts.exit_code for reason in told} == set(ExitCode)
