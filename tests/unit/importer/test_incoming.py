"""Imports of objects that wait in the store: `source.store`."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_api.sidecar import Sidecar, source_fingerprint

from tests.support.loopback.store import BUCKET
from tests.support.loopback.store_proxy import CutError, proxied

if TYPE_CHECKING:
    from typing import Any

    from mediaimport_api.task import Task
    from mypy_boto3_s3 import S3Client

    from tests.support.import_runner import Imports
    from tests.support.loopback.store_proxy import Request
    from tests.support.media_studio import Studio


def incoming(s3: S3Client, body: bytes, *, user: str = "default") -> str:
    """Put an object where uploads wait; return its key."""
    key = f"incoming/{user}/{uuid4()}"
    s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    return key


def waiting(s3: S3Client, key: str) -> bool:
    return bool(s3.list_objects_v2(Bucket=BUCKET, Prefix=key).get("Contents"))


def task_of(imports: Imports, key: str, **options: Any) -> Task:  # noqa: ANN401 - those of `task`
    return imports.task("", source={"store": {"key": key}}, **options)


def test_object_of_the_store_is_imported_and_then_removed(imports: Imports, studio: Studio, s3: S3Client) -> None:
    body = studio.video().read_bytes()
    key = incoming(s3, body)
    task = task_of(imports, key)

    result = imports.run(task)

    assert result.reason is Reason.IMPORTED, result
    assert result.asset is not None
    assert (result.asset.sha256, result.asset.size_bytes) == (hashlib.sha256(body).hexdigest(), len(body))
    assert set(imports.stored(task)) == {"video.mp4", "thumbnail.jpg", "asset.json"}
    assert not waiting(s3, key)
    sidecar = s3.get_object(Bucket=BUCKET, Key=f"media/default/{task.asset_id}/asset.json")["Body"].read()
    assert Sidecar.model_validate_json(sidecar).source_fingerprint == source_fingerprint(f"store:{key}")
    assert imports.left_over() == []


def test_store_without_tls_serves_its_own_objects_too(plain_imports: Imports, studio: Studio) -> None:
    s3 = plain_imports.store.client()
    key = incoming(s3, studio.video().read_bytes())

    result = plain_imports.run(task_of(plain_imports, key))

    assert result.reason is Reason.IMPORTED, result
    assert not waiting(s3, key)


def test_retry_that_finds_the_object_gone_and_the_sidecar_there_is_imported(
    imports: Imports, studio: Studio, s3: S3Client
) -> None:
    key = incoming(s3, studio.image().read_bytes())
    task = task_of(imports, key)
    assert imports.run(task).reason is Reason.IMPORTED

    again = imports.run(task)
    later = imports.run(task.model_copy(update={"attempt": 2}))

    assert (again.reason, later.reason) == (Reason.IMPORTED, Reason.IMPORTED)
    assert "stored by an earlier attempt" in again.message


def test_object_that_a_killed_attempt_did_not_remove_is_removed_by_the_next(
    imports: Imports, studio: Studio, s3: S3Client
) -> None:
    body = studio.image().read_bytes()
    key = incoming(s3, body)
    task = task_of(imports, key)
    assert imports.run(task).reason is Reason.IMPORTED
    s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    assert imports.run(task).reason is Reason.IMPORTED

    assert not waiting(s3, key)


def test_object_that_never_came_is_not_found(imports: Imports) -> None:
    key = f"incoming/default/{uuid4()}"

    result = imports.run(task_of(imports, key))

    assert result.reason is Reason.SOURCE_NOT_FOUND
    assert result.message == f"the store has no object {key}: it was never uploaded, or was removed; upload it again"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"expected": {"sha256": "0" * 64}}, Reason.CHECKSUM_MISMATCH),
        ({"expected": {"sizeBytes": 7}}, Reason.SIZE_MISMATCH),
        ({"type": "video"}, Reason.TYPE_MISMATCH),
        ({"max_size_bytes": 10}, Reason.SOURCE_TOO_LARGE),
    ],
)
def test_what_holds_for_urls_holds_for_objects_and_a_refused_one_stays(
    imports: Imports, studio: Studio, s3: S3Client, spec: dict[str, Any], reason: Reason
) -> None:
    key = incoming(s3, studio.image().read_bytes())
    task = task_of(imports, key, **spec)

    result = imports.run(task)

    assert result.reason is reason, result
    assert imports.stored(task) == {}
    assert waiting(s3, key)


def test_error_page_is_refused_from_the_store_too(imports: Imports, s3: S3Client) -> None:
    key = incoming(s3, b"<!DOCTYPE html><html><body>gone</body></html>")
    assert imports.run(task_of(imports, key)).reason is Reason.NOT_MEDIA


def test_failed_removal_is_a_warning_and_no_failure(imports: Imports, studio: Studio, s3: S3Client) -> None:
    key = incoming(s3, studio.image().read_bytes())
    with proxied(imports.store) as proxy:
        proxy.denies = lambda request: request.method == "DELETE"
        result = imports.run(task_of(imports, key), **proxy.variables)

    assert result.reason is Reason.IMPORTED
    assert f"{key} is left, for a lifecycle rule of the bucket" in result.message
    assert '"level": "warning"' in imports.log.getvalue()
    assert waiting(s3, key)


def test_read_that_the_policy_refuses_is_tried_again_and_names_the_right(
    imports: Imports, studio: Studio, s3: S3Client
) -> None:
    key = incoming(s3, studio.image().read_bytes())

    def reads_incoming(request: Request) -> bool:
        return request.method == "GET" and request.key == key

    with proxied(imports.store) as proxy:
        proxy.denies = reads_incoming
        result = imports.run(task_of(imports, key), **proxy.variables)

    assert result.reason is Reason.STORE_DENIED
    assert "it was never uploaded, or the access key's policy lacks s3:GetObject for incoming/*" in result.message
    assert waiting(s3, key)


def test_read_that_breaks_goes_on_where_it_broke(imports: Imports, studio: Studio, s3: S3Client) -> None:
    body = studio.video(seconds=4, name="long.mp4").read_bytes()
    key = incoming(s3, body)
    task = task_of(imports, key)
    reads: list[str | None] = []

    def cut_the_first(request: Request, answer: bytes) -> bytes:
        if request.key != key or request.method != "GET":
            return answer
        reads.append(request.header("range"))
        if len(reads) == 1:
            raise CutError(answer[: -len(body) // 2])
        return answer

    with proxied(imports.store) as proxy:
        proxy.alter_answer = cut_the_first
        result = imports.run(task, **proxy.variables)

    assert result.reason is Reason.IMPORTED, result
    assert result.asset is not None
    assert result.asset.sha256 == hashlib.sha256(body).hexdigest()
    assert len(reads) == 2
    assert reads[1] is not None
    assert not waiting(s3, key)
