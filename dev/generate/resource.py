"""docs/reference/resource.md: every field of the resource, from the schema that the API server holds it to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mediaimport_api import crd
from mediaimport_api.spec import MUTABLE

from dev.generate.markdown import NOTICE, code, table

if TYPE_CHECKING:
    from collections.abc import Iterator

Schema = dict[str, Any]

_INTRODUCTION = """# MediaImport

`mediaimport.dev/v1alpha1`, namespaced, short name `mi`. One resource is one file to save: `spec` says what to
save for which user, `status` what has become of it.

```yaml
apiVersion: mediaimport.dev/v1alpha1
kind: MediaImport
metadata: {name: first}
spec:
  source: {url: "https://example.com/video.mp4"}
```

Wait for it with `kubectl wait --for=condition=Ready mediaimport/first`; select with `--field-selector
status.phase=Failed` or `spec.userId=alice`. Why it is as it is: [reasons](reasons.md).

"""
_BOUNDS = {
    "minimum": "≥ {}", "maximum": "≤ {}", "minLength": "at least {} characters", "maxLength": "at most {} characters",
    "maxItems": "at most {}", "maxProperties": "at most {} keys", "pattern": "`{}`",
}  # fmt: skip


def page() -> str:
    """Return the page."""
    (version,) = crd.definition()["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]["properties"]
    mutable = ", ".join(code(each) for each in sorted(MUTABLE))
    return "".join(
        [
            NOTICE,
            _INTRODUCTION,
            f"## spec\n\nImmutable, but for {mutable}. Unknown fields are refused.\n\n",
            _fields("spec", schema["spec"]),
            "\nBeyond the schema:\n\n",
            *(f"- {rule['message']}\n" for rule in _rules(schema["spec"])),
            "\n## status\n\nWritten by the operator alone. Absent means unknown.\n\n",
            _fields("status", schema["status"]),
            "\n## Columns\n\n",
            table(["column", "wide only", "from"], _columns(version["additionalPrinterColumns"])),
        ]
    )


def _fields(name: str, schema: Schema) -> str:
    rows = [
        [code(path), _type(field), code(_default(field)), _meaning(field, required=required)]
        for path, field, required in _walk(name, schema)
    ]
    return table(["field", "type", "default", "meaning"], rows)


def _walk(path: str, schema: Schema) -> Iterator[tuple[str, Schema, bool]]:
    required = set(schema.get("required", []))
    for name, field in schema.get("properties", {}).items():
        here = f"{path}.{name}"
        yield here, field, name in required
        nested = field.get("items", field)
        yield from _walk(f"{here}[]" if "items" in field else here, nested)


def _type(field: Schema) -> str:
    if "enum" in field:
        return ", ".join(code(str(each)) for each in field["enum"])
    if field["type"] == "array":
        return f"list of {_type(field['items'])}"
    return {"date-time": "time", "uuid": "UUID"}.get(field.get("format", ""), str(field["type"]))


def _default(field: Schema) -> str:
    """Return a plain default; an object's stands with its fields."""
    default = field.get("default")
    return "" if default is None or isinstance(default, dict | list) else json.dumps(default).strip('"')


def _meaning(field: Schema, *, required: bool) -> str:
    bounds = [text.format(field[key]) for key, text in _BOUNDS.items() if key in field]
    parts = ["required"] if required else []
    described = field.get("description", "").split("\n")[0]
    return "; ".join([*parts, *([described] if described else []), *bounds])


def _rules(schema: Schema) -> Iterator[Schema]:
    """Yield the rules that speak of more than immutability."""
    immutable = {f".{each}" for each in schema.get("properties", {})}
    for rule in schema.get("x-kubernetes-validations", []):
        if rule["fieldPath"] not in immutable or "oldSelf" not in rule["rule"]:
            yield rule
    for field in schema.get("properties", {}).values():
        yield from _rules(field)


def _columns(columns: list[Schema]) -> list[list[str]]:
    return [[each["name"].upper(), "yes" if each.get("priority") else "", code(each["jsonPath"])] for each in columns]
