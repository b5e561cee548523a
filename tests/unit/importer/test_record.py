"""The published schema of the sidecar describes the sidecars that imports write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema_rs
import pytest
from mediaimport_api import __version__

from tests.support.loopback.store import BUCKET

if TYPE_CHECKING:
    from tests.support.import_runner import Imports
    from tests.support.media_studio import Studio
    from tests.support.source_server import Sources

SCHEMA = Path(__file__).resolve().parents[3] / "docs" / "sidecar.schema.json"


def test_sidecar_of_an_import_fits_the_schema(imports: Imports, sources: Sources, studio: Studio) -> None:
    task = imports.task(sources.file(studio.video()), tags=["ai"], metadata={"prompt": "a cat"})
    imports.run(task)
    stored = imports.store.client().get_object(Bucket=BUCKET, Key=f"media/default/{task.asset_id}/asset.json")
    sidecar = json.loads(stored["Body"].read())
    validator = jsonschema_rs.Draft202012Validator(json.loads(SCHEMA.read_text()))

    validator.validate(sidecar)
    assert sidecar["importerVersion"] == __version__

    with pytest.raises(jsonschema_rs.ValidationError):
        validator.validate(sidecar | {"sourceFingerprint": "short"})
