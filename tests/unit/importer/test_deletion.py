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
from mediaimport_importer.store.bucket import Bucket, connect

from tests.support.loopback.store import BUCKET

if TYPE_CHECKING:
    from collections.abc import Callable
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
        source_fingerprint=source_fingerprint(task.spec.source.url),
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
    assert delete_asset(bucket, deletion(stored), now=NOW) is Outcome.DELETED
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
    assert delete_asset(bucket, deletion(stored), now=NOW) is Outcome.ALREADY_DELETED


def test_interrupted_deletion_is_finished_by_the_next(imports: Imports, stored: Task, bucket: Bucket) -> None:
    bucket.delete(AssetKeys(user_id="default", asset_id=stored.asset_id).original(kind="video", extension="mp4"))
    assert delete_asset(bucket, deletion(stored), now=NOW) is Outcome.DELETED
    assert set(imports.stored(stored)) == {"asset.json"}


def test_asset_of_another_import_is_not_deleted(imports: Imports, stored: Task, bucket: Bucket) -> None:
    other = stored.owner.model_copy(update={"name": "another"})
    assert delete_asset(bucket, deletion(stored, owner=other), now=NOW) is Outcome.NOT_OWNED
    fingerprint = source_fingerprint("https://another.example/")
    assert delete_asset(bucket, deletion(stored, source_fingerprint=fingerprint), now=NOW) is Outcome.NOT_OWNED
    assert set(imports.stored(stored)) == {"video.mp4", "thumbnail.jpg", "asset.json"}


def test_deletion_before_the_import_prevents_it(imports: Imports, sources: Sources, studio: Studio,
                                                          bucket: Bucket) -> None:  # fmt: skip
    task = imports.task(sources.file(studio.video()))
    assert delete_asset(bucket, deletion(task), now=NOW) is Outcome.NOTHING_STORED
    assert imports.run(task).reason is Reason.ASSET_DELETED


def test_object_that_is_no_sidecar_is_not_deleted(stored: Task, bucket: Bucket, s3: S3Client) -> None:
    key = f"media/default/{stored.asset_id}/asset.json"
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"someone's notes")
    assert delete_asset(bucket, deletion(stored), now=NOW) is Outcome.NOT_OWNED
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
