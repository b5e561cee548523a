"""The examples: values that the chart's schema accepts, and imports that resource definition and types accept."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from mediaimport_api import crd
from mediaimport_api.spec import Spec

from tests.support.installation.helm import merged

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
VALUES = sorted(EXAMPLES.glob("values-*.yaml"))
IMPORTS = sorted(EXAMPLES.glob("import-*.yaml"))
UUID = "4272560C-d562-4462-832b-fa55064ed920"
ROWS = [
    {"id": UUID, "user_id": "Alice@example.com", "name": "Film", "url": "https://example.com/1", "size_bytes": "7"},
    {"id": UUID, "user_id": "", "name": "", "url": "https://example.com/2", "prediction_id": "p1", "sha256": "0" * 64},
]


@cache
def import_schema() -> dict[str, Any]:
    (version,) = yaml.safe_load(crd.render())["spec"]["versions"]
    found: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return found


def check_import(manifest: dict[str, Any]) -> None:
    jsonschema_rs.validate(import_schema(), manifest)
    known = set(import_schema()["properties"]["spec"]["properties"])
    assert set(manifest["spec"]) <= known
    Spec.model_validate(manifest["spec"])


@pytest.mark.parametrize("file", VALUES, ids=lambda file: file.name)
def test_chart_accepts_the_values(file: Path) -> None:
    schema = json.loads((ROOT / "charts/mediaimport/values.schema.json").read_text())

    # Helm checks them together with the defaults.
    defaults = yaml.safe_load((ROOT / "charts/mediaimport/values.yaml").read_text())
    jsonschema_rs.validate(schema, merged(defaults, yaml.safe_load(file.read_text())))


@pytest.mark.parametrize("file", IMPORTS, ids=lambda file: file.name)
def test_cluster_accepts_the_import(file: Path) -> None:
    manifests = list(yaml.safe_load_all(file.read_text()))

    assert [each["kind"] for each in manifests][-1] == "MediaImport"
    check_import(manifests[-1])


def test_secret_of_the_headers_is_the_one_that_the_import_names() -> None:
    secret, mediaimport = yaml.safe_load_all((EXAMPLES / "import-with-headers.yaml").read_text())

    source = mediaimport["spec"]["source"]
    assert source["headersSecretRef"]["name"] == secret["metadata"]["name"]
    assert source["url"].split("/")[2] == secret["stringData"]["host"]


def converted(rows: list[dict[str, str]]) -> list[dict[str, Any]]:
    text = io.StringIO()
    writer = csv.DictWriter(text, sorted({name for row in rows for name in row}))
    writer.writeheader()
    writer.writerows(rows)
    command = [sys.executable, "-I", str(EXAMPLES / "rows_to_imports.py")]
    ran = subprocess.run(command, input=text.getvalue(), capture_output=True, text=True, check=True)
    items: list[dict[str, Any]] = json.loads(ran.stdout)["items"]
    return items


def test_rows_become_imports_that_keep_id_and_user() -> None:
    first, second = converted(ROWS)

    check_import(first)
    check_import(second)
    assert first["metadata"]["name"] == f"row-{UUID.lower()}"
    assert first["spec"] == {
        "source": {"url": "https://example.com/1"},
        "assetId": UUID,
        "userId": "alice-example-com",
        "name": "Film",
        "expected": {"sizeBytes": 7},
        "ttlSecondsAfterFinished": 7200,
    }
    assert second["spec"]["source"]["provider"] == {"name": "replicate", "id": "p1"}
    assert second["spec"]["expected"] == {"sha256": "0" * 64}
    assert "userId" not in second["spec"]


def test_id_that_is_no_uuid_is_kept_in_the_metadata() -> None:
    (found,) = converted([{"id": "Film_12", "url": "https://example.com/1"}])

    check_import(found)
    assert found["metadata"]["name"] == "row-film-12"
    assert found["spec"]["metadata"] == {"id": "Film_12"}
    assert "assetId" not in found["spec"]


@pytest.mark.parametrize(
    ("column", "first", "second"),
    [("user_id", "alice@example.com", "Alice.example.com"), ("id", "film_1", "film-1")],
)
def test_rows_that_would_become_one_are_refused_by_name(column: str, first: str, second: str) -> None:
    rows = [ROWS[0] | {column: first}, ROWS[1] | {"id": "another", column: second}]

    with pytest.raises(subprocess.CalledProcessError) as refusal:
        converted(rows)

    assert refusal.value.stdout == ""
    assert f"{column}: {', '.join(sorted((first, second)))} would become one" in refusal.value.stderr


def test_every_user_id_of_the_rows_is_one_that_the_resource_takes() -> None:
    specification = importlib.util.spec_from_file_location("rows_to_imports", EXAMPLES / "rows_to_imports.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)

    names = ["Alice", "a" * 62 + "_b", "__x__", "42", "Ünder score"]
    for name in names:
        Spec.model_validate({"source": {"url": "https://example.com/"}, "userId": module.user(name)})
