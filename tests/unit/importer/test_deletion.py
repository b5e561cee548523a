"""Deletions on a real S3 server, of what real imports have stored."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from mediaimport_api.names import AssetKeys
from mediaimport_api.reasons import Reason
from mediaimport_api.sidecar import Tombstone, read_record, source_fingerprint
from mediaimport_api.task import Deletion
from mediaimport_importer.deletion import Outcome, delete_asset
from mediaimport_importer.errors import AttemptError
from mediaimport_importer.store.asset import Location
from mediaimport_importer.store.bucket import Bucket, connect

from tests.support.loopback.store import BUCKET, Store
from tests.support.loopback.store_proxy import proxied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mediaimport_api.task import Task
    from mediaimport_runtime.store_settings import StoreSettings
    from mypy_boto3_s3 import S3Client

    from tests.support.import_runner import Imports
    from tests.support.media_studio import Studio
    from tests.support.source_server import Sources

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def deletion(task: Task, **changes: object) -> Deletion:
    return Deletion(
        owner=task.owner,
        user_id=task.spec.user_id,
        asset_id=task.asset_id,
        source_fingerprint=source_fingerprint(task.spec.source.location),
    ).model_copy(update=changes)


@pytest.fixture
def bucket(store_settings: Callable[..., StoreSettings]) -> Bucket:
    return connect(store_settings())


@pytest.fixture
def stored(imports: Imports, sources: Sources, studio: Studio) -> Task:
    task = imports.task(sources.file(studio.video()))
    assert imports.run(task).reason is Reason.IMPORTED
    return task


def test_all_objects_are_deleted_and_a_tombstone_stays(
    imports: Imports, stored: Task, bucket: Bucket, s3: S3Client
) -> None:
    assert delete_asset(bucket, deletion(stored), now=NOW).outcome is Outcome.DELETED
    assert set(imports.stored(stored)) == {"asset.json"}
    body = s3.get_object(Bucket=BUCKET, Key=f"media/default/{stored.asset_id}/asset.json")["Body"].read()
    record = read_record(body)
    assert isinstance(record, Tombstone)
    assert (record.owner, record.deleted_at) == (stored.owner, NOW)


def test_deleted_asset_is_not_imported_again(imports: Imports, stored: Task, bucket: Bucket) -> None:
    delete_asset(bucket, deletion(stored), now=NOW)
    result = imports.run(stored)
    assert result.reason is Reason.ASSET_DELETED
    assert "deleted on 2030-01-01" in result.message
    assert set(imports.stored(stored)) == {"asset.json"}


def test_second_deletion_changes_nothing(stored: Task, bucket: Bucket) -> None:
    delete_asset(bucket, deletion(stored), now=NOW)
    assert delete_asset(bucket, deletion(stored), now=NOW).outcome is Outcome.ALREADY_DELETED


def test_interrupted_deletion_is_finished_by_the_next(imports: Imports, stored: Task, bucket: Bucket) -> None:
    bucket.delete(AssetKeys(user_id="default", asset_id=stored.asset_id).original(kind="video", extension="mp4"))
    assert delete_asset(bucket, deletion(stored), now=NOW).outcome is Outcome.DELETED
    assert set(imports.stored(stored)) == {"asset.json"}


def test_asset_of_another_import_is_not_deleted(imports: Imports, stored: Task, bucket: Bucket) -> None:
    other = stored.owner.model_copy(update={"name": "another"})
    assert delete_asset(bucket, deletion(stored, owner=other), now=NOW).outcome is Outcome.NOT_OWNED
    fingerprint = source_fingerprint("https://another.example/")
    assert delete_asset(bucket, deletion(stored, source_fingerprint=fingerprint), now=NOW).outcome is Outcome.NOT_OWNED
    assert set(imports.stored(stored)) == {"video.mp4", "thumbnail.jpg", "asset.json"}


def test_deletion_before_the_import_prevents_it(imports: Imports, sources: Sources, studio: Studio,
                                                          bucket: Bucket) -> None:  # fmt: skip
    task = imports.task(sources.file(studio.video()))
    assert delete_asset(bucket, deletion(task), now=NOW).outcome is Outcome.NOTHING_STORED
    assert imports.run(task).reason is Reason.ASSET_DELETED


def test_overlay_goes_with_its_asset_and_one_that_came_late_goes_with_the_next_deletion(
    imports: Imports, stored: Task, bucket: Bucket, s3: S3Client
) -> None:
    for outcome in (Outcome.DELETED, Outcome.ALREADY_DELETED):
        s3.put_object(Bucket=BUCKET, Key=names_of(stored).overlay, Body=b"{}")
        deleted = delete_asset(bucket, deletion(stored), now=NOW)
        assert deleted.outcome is outcome
        assert "overlay.json" in deleted.names
        assert set(imports.stored(stored)) == {"asset.json"}


def test_overlay_of_another_resources_asset_stays(imports: Imports, stored: Task, bucket: Bucket, s3: S3Client) -> None:
    s3.put_object(Bucket=BUCKET, Key=names_of(stored).overlay, Body=b"{}")
    other = stored.owner.model_copy(update={"name": "another"})
    assert delete_asset(bucket, deletion(stored, owner=other), now=NOW).outcome is Outcome.NOT_OWNED
    assert set(imports.stored(stored)) == {"video.mp4", "thumbnail.jpg", "asset.json", "overlay.json"}


def names_of(task: Task) -> AssetKeys:
    return AssetKeys(user_id=task.spec.user_id, asset_id=task.asset_id)


def put(s3: S3Client, key: str, *, mark: str) -> None:
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"bytes", Metadata={"mediaimport": mark})


def mark_of(task: Task) -> str:
    return Location.of(task).mark


@pytest.mark.parametrize(
    "name", ["video.mp4", "audio.m4a", "image.webp", "video.webp", "video.gif", "audio.opus", "thumbnail.jpg"]
)
def test_object_of_a_killed_attempt_is_deleted_whatever_its_name(
    imports: Imports, s3: S3Client, bucket: Bucket, name: str
) -> None:
    task = imports.task("http://source.example/")
    put(s3, names_of(task).prefix + name, mark=mark_of(task))

    deleted = delete_asset(bucket, deletion(task), now=NOW)

    assert deleted.outcome is Outcome.UNFINISHED_DELETED
    assert name in deleted.message
    assert set(imports.stored(task)) == {"asset.json"}


def test_object_of_an_earlier_attempt_in_another_format_is_deleted_too(
    imports: Imports, stored: Task, s3: S3Client, bucket: Bucket
) -> None:
    put(s3, names_of(stored).prefix + "audio.m4a", mark=mark_of(stored))

    deleted = delete_asset(bucket, deletion(stored), now=NOW)

    assert deleted.names == ("audio.m4a", "thumbnail.jpg", "video.mp4")
    assert set(imports.stored(stored)) == {"asset.json"}


def test_object_that_came_after_the_tombstone_is_deleted_by_the_next_deletion(
    imports: Imports, stored: Task, s3: S3Client, bucket: Bucket
) -> None:
    delete_asset(bucket, deletion(stored), now=NOW)
    put(s3, names_of(stored).prefix + "video.mp4", mark=mark_of(stored))

    deleted = delete_asset(bucket, deletion(stored), now=NOW)

    assert (deleted.outcome, deleted.names) == (Outcome.ALREADY_DELETED, ("video.mp4",))
    assert set(imports.stored(stored)) == {"asset.json"}


def test_unfinished_import_of_another_resource_is_left_and_named(
    imports: Imports, s3: S3Client, bucket: Bucket
) -> None:
    task = imports.task("http://source.example/")
    key = names_of(task).prefix + "video.mp4"
    put(s3, key, mark=mark_of(imports.task("http://source.example/", name="another")))
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]

    deleted = delete_asset(bucket, deletion(task), now=NOW)

    assert (deleted.outcome, deleted.remaining) == (Outcome.NOT_OWNED, ("video.mp4",))
    assert "remaining, of another resource: video.mp4" in deleted.message
    assert set(imports.stored(task)) == {"video.mp4"}
    assert imports.left_over() == [key]
    s3.abort_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload)


def test_own_object_next_to_another_resources_asset_is_deleted(
    imports: Imports, stored: Task, s3: S3Client, bucket: Bucket
) -> None:
    other = stored.model_copy(update={"owner": stored.owner.model_copy(update={"name": "another"})})
    put(s3, names_of(stored).prefix + "audio.mp3", mark=mark_of(other))

    deleted = delete_asset(bucket, deletion(other), now=NOW)

    assert (deleted.outcome, deleted.names) == (Outcome.NOT_OWNED, ("audio.mp3",))
    assert set(imports.stored(stored)) == {"video.mp4", "thumbnail.jpg", "asset.json"}


def test_unfinished_uploads_are_aborted(imports: Imports, s3: S3Client, bucket: Bucket) -> None:
    task, neighbour = imports.task("http://source.example/"), imports.task("http://source.example/")
    for name in ("video.mp4", "audio.m4a"):
        s3.create_multipart_upload(Bucket=BUCKET, Key=names_of(task).prefix + name)
    kept = names_of(neighbour).prefix + "video.mp4"
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=kept)["UploadId"]

    deleted = delete_asset(bucket, deletion(task), now=NOW)

    assert (deleted.outcome, deleted.aborted_uploads) == (Outcome.UNFINISHED_DELETED, 2)
    assert "2 unfinished uploads" in deleted.message
    assert imports.left_over() == [kept]
    s3.abort_multipart_upload(Bucket=BUCKET, Key=kept, UploadId=upload)


@pytest.fixture
def denying(store: Store, store_settings: Callable[..., StoreSettings]) -> Iterator[Callable[..., Bucket]]:
    """A bucket whose policy denies the requests that begin so."""
    with proxied(store) as proxy:

        def bucket_of(*denied: str) -> Bucket:
            proxy.denies = lambda request: str(request).startswith(denied)
            return connect(store_settings(**proxy.variables))

        yield bucket_of


def test_object_that_cannot_be_deleted_is_named_and_kept_findable(
    imports: Imports, stored: Task, denying: Callable[..., Bucket], bucket: Bucket
) -> None:
    with pytest.raises(AttemptError, match=r"/ remain video\.mp4: .* s3:DeleteObject") as failed:
        delete_asset(denying("DeleteObject video.mp4"), deletion(stored), now=NOW)

    assert failed.value.reason is Reason.STORE_DENIED
    assert set(imports.stored(stored)) == {"video.mp4", "asset.json"}
    assert delete_asset(bucket, deletion(stored), now=NOW).outcome is Outcome.DELETED


def test_uploads_that_the_policy_does_not_list_are_mentioned(
    imports: Imports, stored: Task, denying: Callable[..., Bucket]
) -> None:
    deleted = delete_asset(denying("ListMultipartUploads"), deletion(stored), now=NOW)

    assert deleted.outcome is Outcome.DELETED
    assert "s3:ListBucketMultipartUploads" in deleted.message
    assert set(imports.stored(stored)) == {"asset.json"}


def test_store_that_lets_nothing_be_read_is_not_taken_for_an_empty_one(
    imports: Imports, denying: Callable[..., Bucket]
) -> None:
    task = imports.task("http://source.example/")
    with pytest.raises(AttemptError, match="needs s3:GetObject"):
        delete_asset(denying("GetObject", "HeadObject"), deletion(task), now=NOW)


def test_object_that_is_no_sidecar_is_not_deleted(stored: Task, bucket: Bucket, s3: S3Client) -> None:
    key = f"media/default/{stored.asset_id}/asset.json"
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"someone's notes")
    assert delete_asset(bucket, deletion(stored), now=NOW).outcome is Outcome.NOT_OWNED
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"someone's notes"


def test_refusal_of_the_store_is_reported(stored: Task, store_settings: Callable[..., StoreSettings]) -> None:
    with pytest.raises(AttemptError) as refused:
        delete_asset(connect(store_settings(S3_SECRET_ACCESS_KEY="wrong")), deletion(stored), now=NOW)
    assert refused.value.reason is Reason.STORE_DENIED


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [({}, 0, "the stored objects are deleted"), ({"S3_SECRET_ACCESS_KEY": "wrong"}, 1, "credentials")],
)
def test_process_reports_its_outcome(  # noqa: PLR0913, PLR0917 - two cases of one thing
    imports: Imports, stored: Task, tmp_path: Path, changes: dict[str, str], code: int, words: str
) -> None:
    variables = imports.variables(stored) | {"MEDIAIMPORT_DELETION": json.dumps(deletion(stored).to_wire())} | changes
    ended = subprocess.run(
        [sys.executable, "-m", "mediaimport_importer.deletion"], env=variables, capture_output=True, check=False
    )
    assert ended.returncode == code, ended.stderr
    assert words in (tmp_path / "termination-log").read_text()
    assert words in json.loads(ended.stdout)["msg"]
