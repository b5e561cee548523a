"""Finding out whether a store honours conditional writes, on stores that do and on one that does not."""

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
from mediaimport_importer.store.conditions import honours_conditions
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.store_settings import StoreSettings

from tests.support.loopback.processes import free_port, serving
from tests.support.loopback.store import BUCKET, Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.importer.conftest import Imports, Sources, Studio


def asked(store: Store, **more: str) -> bool | None:
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


def test_store_that_refuses_to_overwrite_honours_them(any_store: Store) -> None:
    assert asked(any_store) is True


def test_store_that_overwrites_does_not(forgetful: Store) -> None:
    assert asked(forgetful) is False


def test_nothing_is_tried_where_they_are_switched_off(store: Store) -> None:
    assert asked(store, S3_CONDITIONAL_WRITES="false") is None


def test_nothing_is_said_of_a_store_that_does_not_take_the_keys(store: Store) -> None:
    settings = StoreSettings.read(Environment(store.variables() | {"S3_SECRET_ACCESS_KEY": "wrong"}))
    assert honours_conditions(settings, "media/default/none/asset.json") is None


def test_importer_that_is_asked_tells_it(imports: Imports, sources: Sources, studio: Studio) -> None:
    task = imports.task(sources.file(studio.video())).model_copy(update={"look_at_store": True})
    environment = imports.variables(task) | {"PATH": os.environ["PATH"]}
    subprocess.run([sys.executable, "-m", "mediaimport_importer"], env=environment, capture_output=True, check=True)
    result = Result.decode((imports.folder / "termination-log").read_bytes())
    assert result is not None
    assert (result.reason, result.conditional_writes) == (Reason.IMPORTED, True)
