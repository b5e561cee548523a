"""Whole attempts: a real source, the real prober, a real S3 server."""

from __future__ import annotations

import hashlib
import io
import json
import time
from base64 import b64decode, b64encode
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_api.result import LogLine
from mediaimport_api.sidecar import Sidecar, source_fingerprint
from mediaimport_api.status import MediaWarning
from mediaimport_importer.pipeline import Attempt
from mediaimport_importer.report import Report
from mediaimport_importer.upload import Upload

from tests.support.loopback.store import BUCKET

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_s3 import S3Client

    from tests.support.import_runner import Imports
    from tests.support.media_studio import Studio
    from tests.support.source_server import Conversation, Sources


def test_video_becomes_three_objects_and_a_true_result(
    imports: Imports, sources: Sources, studio: Studio, s3: S3Client
) -> None:
    file = studio.video()
    task = imports.task(sources.file(file), tags=["ai"], metadata={"prompt": "a cat"})

    result = imports.run(task)

    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert result.reason is Reason.IMPORTED, result
    assert result.asset is not None
    assert result.media is not None
    assert result.thumbnail is not None
    assert result.thumbnail.thumbnail is not None
    assert (result.asset.sha256, result.asset.size_bytes) == (digest, file.stat().st_size)
    assert (result.media.width, result.media.height, result.media.duration_ms) == (320, 180, 2000)
    assert set(imports.stored(task)) == {"video.mp4", "thumbnail.jpg", "asset.json"}
    head = s3.head_object(Bucket=BUCKET, Key=result.asset.key, ChecksumMode="ENABLED")
    assert b64decode(head["ChecksumSHA256"]).hex() == digest
    assert head["ContentType"] == "video/mp4"
    assert s3.get_object(Bucket=BUCKET, Key=result.asset.key)["Body"].read() == file.read_bytes()
    thumbnail = s3.get_object(Bucket=BUCKET, Key=result.thumbnail.thumbnail.key)["Body"].read()
    assert len(thumbnail) == result.thumbnail.thumbnail.size_bytes
    assert thumbnail.startswith(b"\xff\xd8")
    assert imports.left_over() == []


def test_sidecar_is_the_whole_record(imports: Imports, sources: Sources, studio: Studio, s3: S3Client) -> None:
    url = sources.file(studio.video()) + "?signature=hidden"
    task = imports.task(url, tags=["ai"], metadata={"prompt": "a cat"}, name="clip")

    result = imports.run(task)

    body = s3.get_object(Bucket=BUCKET, Key=f"media/default/{task.asset_id}/asset.json")["Body"].read()
    sidecar = Sidecar.model_validate_json(body)
    assert sidecar.owner == task.owner
    assert sidecar.source_fingerprint == source_fingerprint(url)
    assert sidecar.provenance.metadata == {"prompt": "a cat"}
    assert (sidecar.asset, sidecar.media) == (result.asset, result.media)
    assert sidecar.ffprobe["streams"][0]["codec_name"] == "h264"
    assert b"hidden" not in body


def test_recipe_of_a_generated_asset_is_in_its_sidecar(
    imports: Imports, sources: Sources, studio: Studio, s3: S3Client
) -> None:
    provider = {
        "name": "replicate",
        "id": "p1",
        "pointer": "/0",
        "input": {"prompt": "$(PATH) \0 \u2028", "__proto__": {"a": None}},
        "metrics": {"predict_time": 4.25},
        "seed": "18446744073709551616",
        "startedAt": "2026-01-01T00:00:30Z",
        "truncated": True,
    }
    task = imports.task("", source={"url": sources.file(studio.video()), "provider": provider})

    imports.run(task)

    body = s3.get_object(Bucket=BUCKET, Key=f"media/default/{task.asset_id}/asset.json")["Body"].read()
    assert json.loads(body)["provenance"]["provider"] == provider


def test_store_without_tls_gets_the_same_by_another_way(
    plain_imports: Imports, sources: Sources, studio: Studio
) -> None:
    file = studio.make(
        "large.mp4", "-f", "lavfi", "-i", "testsrc2=s=640x360:r=24:d=8", "-c:v", "libx264", "-preset", "ultrafast",
        "-b:v", "20M", "-x264-params", "nal-hrd=cbr:filler=1:vbv-maxrate=20000:vbv-bufsize=20000",
    )  # fmt: skip
    assert file.stat().st_size > 17_000_000
    task = plain_imports.task(sources.file(file))

    result = plain_imports.run(task)

    assert result.reason is Reason.IMPORTED, result
    client = plain_imports.store.client()
    assert result.asset is not None
    assert client.get_object(Bucket=BUCKET, Key=result.asset.key)["Body"].read() == file.read_bytes()
    head = client.head_object(Bucket=BUCKET, Key=result.asset.key, ChecksumMode="ENABLED")
    assert head["ChecksumType"] == "FULL_OBJECT"
    assert len(b64decode(head["ChecksumCRC64NVME"])) == 8
    assert plain_imports.left_over() == []


@pytest.mark.trap("no Content-Length", "mp4", "imported, by a multipart upload")
def test_source_without_a_length_is_imported(imports: Imports, sources: Sources, studio: Studio) -> None:
    body = studio.video().read_bytes()

    def chunked(conversation: Conversation) -> None:
        conversation.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for at in range(0, len(body), 10_000):
            part = body[at : at + 10_000]
            conversation.send(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        conversation.send(b"0\r\n\r\n")

    result = imports.of(sources.add(chunked))

    assert result.reason is Reason.IMPORTED, result


def test_data_uri_is_taken(imports: Imports, studio: Studio) -> None:
    body = studio.image(size="32x32").read_bytes()

    result = imports.of("data:text/plain;base64," + b64encode(body).decode())

    assert result.reason is Reason.IMPORTED, result
    assert result.asset is not None
    assert (result.asset.kind, result.asset.sha256) == ("image", hashlib.sha256(body).hexdigest())


def test_second_attempt_ends_from_the_sidecar_without_a_download(
    imports: Imports, sources: Sources, studio: Studio
) -> None:
    url = sources.file(studio.video())
    task = imports.task(url)
    first = imports.run(task)
    asked = len(sources.requests)

    second = imports.run(task.model_copy(update={"attempt": 2}))

    assert (second.reason, second.asset, second.media) == (Reason.IMPORTED, first.asset, first.media)
    assert len(sources.requests) == asked


def test_source_that_is_gone_by_now_is_no_failure_of_a_stored_asset(
    imports: Imports, sources: Sources, studio: Studio
) -> None:
    url = sources.file(studio.video())
    task = imports.task(url)
    imports.run(task)
    sources.scripts[url.rpartition(str(sources.port))[2]] = lambda conversation: conversation.answer(status="404 Gone")

    assert imports.run(task).reason is Reason.IMPORTED


@pytest.mark.attack("another import's asset under the same key", "AssetTaken; the asset is unchanged")
def test_another_imports_asset_is_not_touched(imports: Imports, sources: Sources, studio: Studio) -> None:
    first = imports.task(sources.file(studio.video()), name="first")
    imports.run(first)
    before = imports.stored(first)

    result = imports.of(sources.file(studio.image()), asset_id=first.asset_id, name="second")

    assert result.reason is Reason.ASSET_TAKEN
    assert imports.stored(first) == before


def test_original_that_a_killed_attempt_left_is_taken_over(
    imports: Imports, sources: Sources, studio: Studio, s3: S3Client
) -> None:
    task = imports.task(sources.file(studio.video()))
    imports.run(task)
    s3.delete_object(Bucket=BUCKET, Key=f"media/default/{task.asset_id}/asset.json")

    result = imports.run(task)

    assert result.reason is Reason.IMPORTED, result
    assert set(imports.stored(task)) == {"video.mp4", "thumbnail.jpg", "asset.json"}


def test_own_orphan_of_other_content_is_replaced(
    imports: Imports, sources: Sources, studio: Studio, s3: S3Client
) -> None:
    url = sources.file(studio.video())
    task = imports.task(url)
    imports.run(task)
    s3.delete_object(Bucket=BUCKET, Key=f"media/default/{task.asset_id}/asset.json")
    other = studio.video("other.mp4", seconds=3)
    path = url.rpartition(str(sources.port))[2]
    sources.scripts[path] = lambda conversation: conversation.answer(other.read_bytes())

    result = imports.run(task)

    assert result.reason is Reason.IMPORTED, result
    assert imports.stored(task)["video.mp4"] == other.stat().st_size


@pytest.mark.attack("a stranger's object under the same key", "AssetTaken; the object is unchanged")
def test_strangers_object_without_a_sidecar_is_not_touched(
    imports: Imports, sources: Sources, studio: Studio, s3: S3Client
) -> None:
    task = imports.task(sources.file(studio.video()))
    s3.put_object(Bucket=BUCKET, Key=f"media/default/{task.asset_id}/video.mp4", Body=b"not yours")

    result = imports.run(task)

    assert result.reason is Reason.ASSET_TAKEN
    assert imports.stored(task) == {"video.mp4": 9}


def test_second_run_downloads_a_missing_original(
    imports: Imports, sources: Sources, studio: Studio, s3: S3Client
) -> None:
    task = imports.task(sources.file(studio.video()))
    first = imports.run(task)
    s3.delete_object(Bucket=BUCKET, Key=f"media/default/{task.asset_id}/video.mp4")

    result = imports.run(task.model_copy(update={"run": "again"}))

    assert result.reason is Reason.IMPORTED, result
    assert result.asset is not None
    assert first.asset is not None
    assert result.asset.sha256 == first.asset.sha256
    assert set(imports.stored(task)) == {"video.mp4", "thumbnail.jpg", "asset.json"}


def test_second_run_restores_a_lost_thumbnail_without_the_source(
    imports: Imports, sources: Sources, studio: Studio, s3: S3Client
) -> None:
    url = sources.file(studio.video())
    task = imports.task(url)
    imports.run(task)
    s3.delete_object(Bucket=BUCKET, Key=f"media/default/{task.asset_id}/thumbnail.jpg")
    asked = len(sources.requests)

    result = imports.run(task.model_copy(update={"run": "again"}))

    assert result.reason is Reason.IMPORTED, result
    assert set(imports.stored(task)) == {"video.mp4", "thumbnail.jpg", "asset.json"}
    assert len(sources.requests) == asked
    assert imports.left_over() == []


@pytest.mark.trap("a video container without a video", "mp4", "detected by the probe: uploaded again as `audio.m4a`")
def test_sound_in_a_video_container_is_stored_as_sound(imports: Imports, sources: Sources, studio: Studio) -> None:
    file = studio.make("sound.mp4", "-f", "lavfi", "-i", "sine=d=2", "-c:a", "aac")
    task = imports.task(sources.file(file))

    result = imports.run(task)

    assert result.reason is Reason.IMPORTED, result
    assert result.thumbnail is not None
    assert result.thumbnail.reason is Reason.NO_PICTURE
    assert set(imports.stored(task)) == {"audio.m4a", "asset.json"}


class SlowToStop(Upload):
    """An upload that has a second to complete before it is stopped."""

    def stop(self) -> None:
        time.sleep(1)
        super().stop()


def test_upload_under_a_wrong_name_ends_before_it_could_complete(
    imports: Imports, sources: Sources, studio: Studio
) -> None:
    file = studio.make("sound.mp4", "-f", "lavfi", "-i", "sine=d=2", "-c:a", "aac")
    task = imports.task(sources.file(file))
    attempt = Attempt(imports.settings(task), Report(io.StringIO()), nullcontext)
    attempt.upload = SlowToStop(attempt.upload.open_session, deadline_s=attempt.deadline_s)

    assert attempt.run().reason is Reason.IMPORTED
    assert set(imports.stored(task)) == {"audio.m4a", "asset.json"}


REFUSED: list[tuple[str, bytes, dict[str, Any], Reason]] = [
    ("HTML", b"<!DOCTYPE html><title>expired</title>", {}, Reason.NOT_MEDIA),
    ("JSON", b'{"error": "expired"}', {"Content_Type": "application/json"}, Reason.NOT_MEDIA),
    ("S3", b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", {}, Reason.NOT_MEDIA),
    ("empty", b"", {}, Reason.NOT_MEDIA),
    ("encoded", b"\x1f\x8b", {"Content_Encoding": "gzip"}, Reason.NOT_MEDIA),
    ("not found", b"", {"status": "404 Not Found"}, Reason.SOURCE_NOT_FOUND),
    ("gone", b"", {"status": "410 Gone"}, Reason.SOURCE_NOT_FOUND),
    ("forbidden", b"", {"status": "403 Forbidden"}, Reason.SOURCE_UNAUTHORIZED),
    ("unauthorized", b"", {"status": "401 Unauthorized"}, Reason.SOURCE_UNAUTHORIZED),
    ("failing", b"", {"status": "503 Service Unavailable", "Retry_After": "7"}, Reason.SOURCE_UNAVAILABLE),
    ("busy", b"", {"status": "429 Too Many Requests"}, Reason.SOURCE_UNAVAILABLE),
]


@pytest.mark.parametrize(("body", "answer", "reason"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
@pytest.mark.attack(
    "responses that are no output: an HTML page, an error as JSON or XML, gzip, an empty body, errors",
    "a reason each; no object, upload or scratch file, no query string in message or log",
)
def test_refused_source_leaves_nothing(
    imports: Imports, sources: Sources, body: bytes, answer: dict[str, Any], reason: Reason
) -> None:
    task = imports.task(sources.add(lambda conversation: conversation.answer(body, **answer), query="?q=hidden"))

    result = imports.run(task)

    assert result.reason is reason, result
    assert imports.stored(task) == {}
    assert imports.left_over() == []
    assert "hidden" not in imports.log.getvalue() + result.message


def cut_off(body: bytes) -> Callable[[Conversation], None]:
    """Send a part of a body as a server does that breaks off: nothing in the transport says that more was to come."""
    return lambda conversation: conversation.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body)


def moov_last(studio: Studio) -> bytes:
    """Return the first half of an MP4 with its index at its end."""
    whole = studio.make("moov-last.mp4", "-f", "lavfi", "-i", "testsrc2=d=2", "-c:v", "libx264", "-preset", "ultrafast")
    return whole.read_bytes()[: whole.stat().st_size // 2]


def moov_first(studio: Studio) -> bytes:
    """Return two thirds of an MP4 with its index at its start."""
    whole = studio.video("long.mp4", seconds=20).read_bytes()
    return whole[: len(whole) * 2 // 3]


@pytest.mark.trap("cut short, index at the end", "mp4", "refused; nothing stored")
def test_mp4_without_its_end_leaves_nothing(imports: Imports, sources: Sources, studio: Studio) -> None:
    task = imports.task(sources.add(cut_off(moov_last(studio))))

    result = imports.run(task)

    assert result.reason is Reason.TRUNCATED, result
    assert imports.stored(task) == {}


@pytest.mark.trap("cut short, index at the start", "mp4", "Truncated; nothing stored")
def test_fast_start_mp4_that_was_cut_is_truncated(imports: Imports, sources: Sources, studio: Studio) -> None:
    task = imports.task(sources.add(cut_off(moov_first(studio))))

    result = imports.run(task)

    assert result.reason is Reason.TRUNCATED, result
    assert imports.stored(task) == {}


@pytest.mark.parametrize(
    ("made", "described"), [(moov_last, False), (moov_first, True)], ids=["index at the end", "index at the start"]
)
@pytest.mark.trap(
    "the same halves, whole by their Content-Length", "mp4", "kept: the transport proves that they are all there is"
)
def test_half_that_its_transport_proves_complete_is_kept_with_a_doubt(
    imports: Imports, sources: Sources, studio: Studio, made: Callable[[Studio], bytes], *, described: bool
) -> None:
    half = made(studio)
    task = imports.task(sources.add(lambda conversation: conversation.answer(half)))

    result = imports.run(task)

    assert result.reason is Reason.IMPORTED, result
    assert imports.stored(task)["video.mp4"] == len(half)
    assert result.description is not None
    assert result.description.described is described
    assert result.media is not None
    doubt = MediaWarning.DURATION_MISMATCH if described else MediaWarning.DESCRIPTION_MISSING
    assert doubt in (result.media.warnings or [])


@pytest.mark.attack("more bytes than `limits.maxSizeBytes`", "SourceTooLarge")
def test_larger_than_the_limit_is_refused(imports: Imports, sources: Sources, studio: Studio) -> None:
    task = imports.task(sources.file(studio.video()), max_size_bytes=1000)

    assert imports.run(task).reason is Reason.SOURCE_TOO_LARGE
    assert imports.stored(task) == {}


@pytest.mark.attack("a Content-Length larger than the scratch space", "ScratchExceeded before the body is read")
def test_larger_than_scratch_is_refused_before_it_is_fetched(
    imports: Imports, sources: Sources, studio: Studio
) -> None:
    task = imports.task(sources.file(studio.video()))

    result = imports.run(task, SCRATCH_SIZE_BYTES="1000")

    assert result.reason is Reason.SCRATCH_EXCEEDED
    assert imports.left_over() == []


@pytest.mark.parametrize(
    ("expected", "reason"),
    [({"sha256": "0" * 64}, Reason.CHECKSUM_MISMATCH), ({"size_bytes": 5}, Reason.SIZE_MISMATCH)],
)
def test_unexpected_content_leaves_nothing(
    imports: Imports, sources: Sources, studio: Studio, expected: dict[str, Any], reason: Reason
) -> None:
    task = imports.task(sources.file(studio.video()), expected=expected)

    assert imports.run(task).reason is reason
    assert imports.stored(task) == {}


def test_media_of_another_type_leaves_nothing(imports: Imports, sources: Sources, studio: Studio) -> None:
    task = imports.task(sources.file(studio.video()), type="audio")

    result = imports.run(task)

    assert result.reason is Reason.TYPE_MISMATCH
    assert imports.stored(task) == {}


@pytest.mark.attack("SSRF: a private address", "SourceBlocked")
def test_private_address_is_blocked_unless_allowed(imports: Imports, sources: Sources, studio: Studio) -> None:
    result = imports.run(imports.task(sources.file(studio.video())), SOURCE_ALLOWED_NETWORKS="")

    assert result.reason is Reason.SOURCE_BLOCKED


@pytest.mark.attack("tags of 100 kB", "the result fits its 4096 bytes")
def test_result_of_hostile_tags_fits_its_message(imports: Imports, sources: Sources, studio: Studio) -> None:
    file = studio.make(
        "tags.mp4", "-i", str(studio.video()), "-c", "copy", "-metadata", "comment=" + "x" * 100_000, "-metadata",
        "encoder=" + "y" * 5000,
    )  # fmt: skip

    result = imports.of(sources.file(file))

    assert result.reason is Reason.IMPORTED, result
    assert len(result.encode()) < 4096


def test_progress_lines_are_valid_log_lines(imports: Imports, sources: Sources, studio: Studio) -> None:
    imports.of(sources.file(studio.video()))

    lines = [LogLine.model_validate(json.loads(line)) for line in imports.log.getvalue().splitlines()]
    assert [line.seq for line in lines] == list(range(len(lines)))
    assert any(line.progress is not None and line.progress.percent == 100 for line in lines)


@pytest.mark.parametrize("switches", [{"S3_CHECKSUMS": "false"}, {"S3_CONDITIONAL_WRITES": "false"}], ids=str)
def test_stores_without_checksums_or_conditional_writes_work_the_same(
    any_imports: Imports, sources: Sources, studio: Studio, *, switches: dict[str, str]
) -> None:
    importing = any_imports
    task = importing.task(sources.file(studio.video()))

    first = importing.run(task, **switches)
    importing.store.client().delete_object(Bucket=BUCKET, Key=f"media/default/{task.asset_id}/asset.json")
    second = importing.run(task, **switches)
    other = importing.run(
        importing.task(sources.file(studio.video()), asset_id=task.asset_id, name="other"), **switches
    )

    assert (first.reason, second.reason, other.reason) == (Reason.IMPORTED, Reason.IMPORTED, Reason.ASSET_TAKEN)


def test_missing_source_is_reported_although_the_store_is_down(imports: Imports, sources: Sources) -> None:
    task = imports.task(sources.add(lambda conversation: conversation.answer(status="404 Not Found")))

    assert imports.run(task, S3_ENDPOINT_URL="https://127.0.0.1:1").reason is Reason.SOURCE_NOT_FOUND
