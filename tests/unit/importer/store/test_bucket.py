"""Errors of the store, translated into failures of the attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaimport_api.reasons import Reason

if TYPE_CHECKING:
    from tests.support.import_runner import Imports
    from tests.support.media_studio import Studio
    from tests.support.source_server import Sources


def test_wrong_secret_is_denied_and_says_what_to_check(imports: Imports, sources: Sources, studio: Studio) -> None:
    result = imports.run(imports.task(sources.file(studio.video())), S3_SECRET_ACCESS_KEY="wrong-secret")

    assert result.reason is Reason.STORE_DENIED
    assert "S3_SECRET_ACCESS_KEY" in result.message


def test_missing_bucket_says_what_to_check(imports: Imports, sources: Sources, studio: Studio) -> None:
    result = imports.run(imports.task(sources.file(studio.video())), S3_BUCKET_NAME="nowhere")

    assert result.reason is Reason.STORE_MISSING
    assert "nowhere" in result.message


def test_store_that_is_not_there_is_unavailable(imports: Imports, sources: Sources, studio: Studio) -> None:
    task = imports.task(sources.file(studio.video()), deadline_seconds=30)
    result = imports.run(task, S3_ENDPOINT_URL="https://127.0.0.1:1")

    assert result.reason is Reason.STORE_UNAVAILABLE
