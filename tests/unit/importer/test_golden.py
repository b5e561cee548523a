"""Records that versions have written into the store, and termination messages, made by a real import and deletion."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.names import AssetKeys
from mediaimport_api.reasons import Reason
from mediaimport_api.result import Result
from mediaimport_api.sidecar import Sidecar, Tombstone, read_record, source_fingerprint
from mediaimport_api.task import Deletion
from mediaimport_importer.deletion import delete_asset
from mediaimport_importer.store.bucket import connect

from tests.support import golden
from tests.support.loopback.store import BUCKET

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mediaimport_runtime.store_settings import StoreSettings
    from mypy_boto3_s3 import S3Client

    from tests.support.import_runner import Imports
    from tests.support.media_studio import Studio
    from tests.support.source_server import Sources

VERSIONS = pytest.mark.parametrize("folder", golden.FOLDERS, ids=lambda folder: folder.name)
SPEC = {
    name: golden.SPEC[name] for name in ("assetId", "name", "type", "userId", "tags", "metadata", "thumbnail", "limits")
}


def test_todays_records_have_all_that_the_golden_ones_have(
    imports: Imports,
    sources: Sources,
    studio: Studio,
    s3: S3Client,
    store_settings: Callable[..., StoreSettings],
) -> None:
    url = sources.file(studio.video())
    source = {"url": url, "provider": golden.SPEC["source"]["provider"]}
    task = imports.task(url, asset_id=SPEC["assetId"], **SPEC | {"source": source})
    key = AssetKeys(user_id="ada", asset_id=task.asset_id).sidecar

    def record() -> Any:  # noqa: ANN401 - JSON
        return json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())

    result = imports.run(task)
    assert result.reason is Reason.IMPORTED, result.message
    made = {"result": json.loads(result.encode()), "sidecar": record()}
    fingerprint = source_fingerprint(url)
    deletion = Deletion(owner=task.owner, user_id="ada", asset_id=task.asset_id, source_fingerprint=fingerprint)
    delete_asset(connect(store_settings()), deletion, now=datetime(2030, 1, 1, tzinfo=UTC))
    made["tombstone"] = record()

    for name, content in made.items():
        golden.keep(name, content)
        assert golden.lost(golden.read(golden.CURRENT, name), content) == [], golden.HINT


@VERSIONS
def test_sidecar_of_a_version_is_read_without_a_loss(folder: Path) -> None:
    written = golden.read(folder, "sidecar")
    sidecar = read_record(json.dumps(written))
    assert isinstance(sidecar, Sidecar)
    assert golden.lost(written, sidecar.to_wire()) == []
    assert sidecar.belongs_to(sidecar.owner, written["sourceFingerprint"])
    assert sidecar.provenance.metadata == golden.SPEC["metadata"]


@VERSIONS
def test_tombstone_of_a_version_still_prevents_an_import(folder: Path) -> None:
    written = golden.read(folder, "tombstone")
    tombstone = read_record(json.dumps(written))
    assert isinstance(tombstone, Tombstone)
    assert golden.lost(written, tombstone.to_wire()) == []


@VERSIONS
def test_result_message_of_a_version_is_read_without_a_loss(folder: Path) -> None:
    written = golden.read(folder, "result")
    result = Result.decode(json.dumps(written))
    assert result is not None
    assert golden.lost(written, json.loads(result.encode())) == []
    assert result.reason is Reason.IMPORTED
