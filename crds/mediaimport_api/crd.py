"""The CustomResourceDefinition, generated from the types by `make generate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from mediaimport_api import names
from mediaimport_api.spec import MUTABLE, Spec
from mediaimport_api.status import Status

if TYPE_CHECKING:
    from pydantic import BaseModel

Schema = dict[str, Any]

_HEADER = "# Generated from mediaimport_api by `make generate`; edit the types, not this file.\n"
_KEPT = frozenset({
    "type", "format", "description", "default", "enum", "pattern", "minimum", "maximum", "exclusiveMinimum",
    "exclusiveMaximum", "minLength", "maxLength", "minItems", "maxItems", "maxProperties", "required", "nullable",
})  # fmt: skip


def structural(model: type[BaseModel]) -> Schema:
    """Return the model's structural schema, as Kubernetes requires: no references, no unions, no nulls."""
    whole = model.model_json_schema(by_alias=True)
    return _convert(whole, whole.get("$defs", {}))


def _convert(node: Schema, definitions: dict[str, Schema]) -> Schema:
    node = _resolve(node, definitions)
    converted = {key: value for key, value in node.items() if key in _KEPT or key.startswith("x-kubernetes-")}
    if isinstance(node.get("default"), dict):
        # The API server refuses a null for a field that is not nullable, here too.
        converted["default"] = {name: value for name, value in node["default"].items() if value is not None}
    if "const" in node:
        converted["enum"] = [node["const"]]
    if node.get("type") == "integer":
        converted["format"] = "int64"
    if node.get("type") == "array":
        converted["items"] = _convert(node["items"], definitions)
    if "properties" in node:
        converted["properties"] = {name: _convert(each, definitions) for name, each in node["properties"].items()}
    elif node.get("type") == "object":
        converted["x-kubernetes-preserve-unknown-fields"] = True
    return converted


def _resolve(node: Schema, definitions: dict[str, Schema]) -> Schema:
    """Return the node without references and without `null` in unions: in Kubernetes an absent field is null."""
    if "anyOf" in node:
        (other,) = [each for each in node["anyOf"] if each.get("type") != "null"]
        outside = {key: value for key, value in node.items() if key not in {"anyOf", "default"}}
        node = _resolve(other, definitions) | outside
    if "$ref" in node:
        target = definitions[node["$ref"].rpartition("/")[2]]
        node = {**_resolve(target, definitions), **{key: value for key, value in node.items() if key != "$ref"}}
    return node


def _immutable(field: str) -> dict[str, str]:
    """Return the rule that makes a field immutable; an optional one can be neither added nor removed."""
    rule = f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"
    message = f"{field} cannot change after creation; create a new MediaImport"
    return {"rule": rule, "message": message, "fieldPath": f".{field}", "reason": "FieldValueForbidden"}


def _spec_schema() -> Schema:
    schema = structural(Spec)
    rules = schema.pop("x-kubernetes-validations")
    frozen = [_immutable(field) for field in schema["properties"] if field not in MUTABLE]
    schema["properties"]["ttlSecondsAfterFinished"]["nullable"] = True
    return schema | {"x-kubernetes-validations": [*rules, *frozen]}


def _column(name: str, path: str, *, kind: str = "string", wide: bool = False, description: str = "") -> Schema:
    column: Schema = {"name": name, "type": kind, "jsonPath": path}
    return column | ({"priority": 1} if wide else {}) | ({"description": description} if description else {})


COLUMNS = [
    _column("Phase", ".status.phase"),
    _column("Progress", ".status.progress.percent", kind="integer", description="percent of the bytes"),
    _column("Type", ".status.asset.kind"),
    _column("Size", ".status.sizeText"),
    _column("Duration", ".status.durationText"),
    _column("Age", ".metadata.creationTimestamp", kind="date"),
    _column("Reason", '.status.conditions[?(@.type=="Ready")].reason', wide=True),
    _column("Message", '.status.conditions[?(@.type=="Ready")].message', wide=True),
    _column("Host", ".status.sourceHost", wide=True),
    _column("User", ".spec.userId", wide=True),
    _column("SHA256", ".status.asset.sha256", wide=True),
]


def definition() -> Schema:
    """Return the CustomResourceDefinition."""
    schema = {
        "type": "object",
        "description": "MediaImport stores the media behind a URL in S3 and describes it.",
        "required": ["spec"],
        "properties": {"spec": _spec_schema(), "status": structural(Status)},
    }
    version = {
        "name": names.VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
        "selectableFields": [{"jsonPath": ".status.phase"}, {"jsonPath": ".spec.userId"}],
        "additionalPrinterColumns": COLUMNS,
    }
    resource_names = {
        "kind": names.KIND,
        "listKind": f"{names.KIND}List",
        "plural": names.PLURAL,
        "singular": names.SINGULAR,
        "shortNames": [names.SHORT],
        "categories": ["media"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names.PLURAL}.{names.GROUP}"},
        "spec": {"group": names.GROUP, "scope": "Namespaced", "names": resource_names, "versions": [version]},
    }


def render() -> str:
    """Return the definition as deterministic YAML."""
    return _HEADER + yaml.safe_dump(definition(), sort_keys=False, width=120)
