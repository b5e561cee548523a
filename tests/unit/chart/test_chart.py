from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from mediaimport_api import crd

from dev.generate import values
from tests.support.chart_values import ReadValues, read_values

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "charts" / "mediaimport"
# Maps whose keys Kubernetes, Helm or the user defines.
FREE = {"models", "resources", "affinity", "labels"}


@cache
def load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((CHART / name).read_text())
    return loaded


@cache
def read_by_templates() -> ReadValues:
    return read_values(each.read_text() for each in sorted((CHART / "templates").rglob("*")) if each.is_file())


def leaves(values: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for key, value in values.items():
        nested = isinstance(value, dict) and value and key not in FREE
        found += leaves(value, (*path, key)) if nested else [(*path, key)]
    return found


def schema_at(path: tuple[str, ...]) -> dict[str, Any] | None:
    schema = load("values.schema.json")
    node: dict[str, Any] | None = schema
    for key in path:
        node = resolved(schema, node).get("properties", {}).get(key) if node else None
    return node


def resolved(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    reference = node.get("$ref")
    found: dict[str, Any] = schema["$defs"][reference.rpartition("/")[2]] if reference else node
    return found


def test_crd_is_the_generated_one() -> None:
    assert (CHART / "files" / "mediaimports.yaml").read_text() == crd.render()


def test_every_value_is_in_the_schema() -> None:
    assert [path for path in leaves(load("values.yaml")) if schema_at(path) is None] == []


def test_every_property_of_the_schema_is_a_value() -> None:
    schema, values = load("values.schema.json"), load("values.yaml")
    theirs = {"resources", "affinity", "dnsConfig"}

    def missing(node: dict[str, Any], given: Any, path: str) -> list[str]:  # noqa: ANN401 - YAML
        properties = {} if path.rpartition(".")[2] in theirs else current(schema, node)
        absent = [f"{path}.{key}" for key in properties if not isinstance(given, dict) or key not in given]
        present = [key for key in properties if isinstance(given, dict) and key in given]
        return absent + [each for key in present for each in missing(properties[key], given[key], f"{path}.{key}")]

    # `enabled` is a parent chart's.
    assert missing(schema, values, "") == [".enabled"]


def current(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """Return the properties without the former ones."""
    properties = resolved(schema, node).get("properties", {})
    return {key: each for key, each in properties.items() if not resolved(schema, each).get("deprecated")}


def test_every_object_of_the_schema_refuses_unknown_properties() -> None:
    schema = load("values.schema.json")

    def lax(node: Any, path: str) -> list[str]:  # noqa: ANN401 - JSON
        if not isinstance(node, dict):
            return []
        # Kubernetes defines volumes; the schema only reserves names. Other charts have values in `global`, too.
        open_ended = "properties" in node and node.get("additionalProperties") is not False
        here = [path] if open_ended and not path.endswith(("/volumes/items", "/properties/global")) else []
        return here + [each for key, value in node.items() for each in lax(value, f"{path}/{key}")]

    assert lax(schema, "") == []


def test_every_value_has_a_sentence_in_its_comment() -> None:
    read = values.read((CHART / "values.yaml").read_text())
    assert [".".join(each.path) for each in read if not re.search(r"^[A-Z`].+[.)]$", each.meaning)] == []


@pytest.mark.parametrize("path", leaves(load("values.yaml")), ids=".".join)
def test_every_value_is_used_by_a_template(path: tuple[str, ...]) -> None:
    assert read_by_templates().has(path)
