"""Conditional writes: stores that honour them, and one that does not."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_api.result import Result
from mediaimport_importer.store.asset import honours_conditions
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.store_settings import StoreSettings

from tests.support.loopback.processes import free_port, serving
from tests.support.loopback.store import BUCKET, Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.import_runner import Imports
    from tests.support.media_studio import Studio
    from tests.support.source_server import Sources


def honours(store: Store, **more: str) -> bool | None:
    key = f"media/default/{uuid4()}/asset.json"
    store.client().put_object(Bucket=BUCKET, Key=key, Body=b"{}")
    try:
        return honours_conditions(StoreSettings.read(Environment(store.variables() | more)), key)
    finally:
        assert store.client().get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"{}"


@pytest.fixture
def forgetful(plain_store: Store, tmp_path: Path) -> Iterator[Store]:
    port = free_port()
    variables = {"HOST": "127.0.0.1", "PORT": str(port), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "tests.support.forgetful_store"]
    with serving(command, port=port, log=tmp_path / "log", environment=plain_store.variables() | variables):
        yield replace(plain_store, port=port)


def test_store_that_refuses_to_overwrite_honours_conditional_writes(any_store: Store) -> None:
    assert honours(any_store) is True


def test_store_that_overwrites_does_not_honour_conditional_writes(forgetful: Store) -> None:
    assert honours(forgetful) is False


def test_nothing_is_written_if_conditional_writes_are_disabled(store: Store) -> None:
    assert honours(store, S3_CONDITIONAL_WRITES="false") is None


def test_result_is_unknown_if_the_store_denies_access(store: Store) -> None:
    settings = StoreSettings.read(Environment(store.variables() | {"S3_SECRET_ACCESS_KEY": "wrong"}))
    assert honours_conditions(settings, "media/default/none/asset.json") is None


def test_importer_reports_it_if_the_task_asks(imports: Imports, sources: Sources, studio: Studio) -> None:
    task = imports.task(sources.file(studio.video())).model_copy(update={"look_at_store": True})
    environment = imports.variables(task) | {"PATH": os.environ["PATH"]}
    subprocess.run([sys.executable, "-m", "mediaimport_importer"], env=environment, capture_output=True, check=True)
    result = Result.decode((imports.folder / "termination-log").read_bytes())
    assert result is not None
    assert (result.reason, result.conditional_writes) == (Reason.IMPORTED, True)
