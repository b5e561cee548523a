"""Types of the Python client: the schemas of the OpenAPI document, as typed dicts."""

from __future__ import annotations

import json
from textwrap import fill, indent
from typing import Any

from mediaimport_webhook.http import openapi

Schema = dict[str, Any]

_HEAD = '''"""Bodies of the API, as typed dicts. Written by `make generate` from the OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict
'''
_SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_WIDTH = 110
_COMPONENTS = "#/components/schemas/"


def page() -> str:
    """Return the module."""
    schemas: dict[str, Schema] = json.loads(openapi.render())["components"]["schemas"]
    # Aliases are evaluated where they stand, so they come first.
    aliases = [_alias(name, schema) for name, schema in schemas.items() if schema.get("type") != "object"]
    classes = [_class(name, schema) for name, schema in schemas.items() if schema.get("type") == "object"]
    return _HEAD + "\n" + "\n".join(aliases) + "".join(f"\n\n{each}" for each in classes)


def _alias(name: str, schema: Schema) -> str:
    return f"{name} = {type_of(schema)}\n{_docstring(schema)}"


def _class(name: str, schema: Schema) -> str:
    required = set(schema.get("required", ()))
    fields = [_field(key, each, required=key in required) for key, each in schema.get("properties", {}).items()]
    return f"class {name}(TypedDict):\n{indent(_docstring(schema), '    ')}\n" + indent("".join(fields), "    ")


def _field(name: str, schema: Schema, *, required: bool) -> str:
    annotation = type_of(schema) if required else f"NotRequired[{type_of(schema)}]"
    return f"{name}: {annotation}\n" + (_docstring(schema) if "description" in schema else "")


def _docstring(schema: Schema) -> str:
    """Return the description as a docstring; a sentence in capitals as the project's are."""
    text = schema.get("description", "").rstrip(".")
    return fill(f'"""{text[:1].upper()}{text[1:]}."""', _WIDTH) + "\n"


def type_of(schema: Schema) -> str:
    """Return the annotation of a schema; Any where it says nothing."""
    match schema:
        case {"$ref": str() as reference}:
            annotation = reference.removeprefix(_COMPONENTS)
        case {"anyOf": list() as choices}:
            annotation = " | ".join(map(type_of, choices))
        case {"enum": list() as values}:
            annotation = f"Literal[{', '.join(map(json.dumps, values))}]"
        case {"const": value}:
            annotation = f"Literal[{json.dumps(value)}]"
        case {"type": "array"}:
            annotation = f"list[{type_of(schema.get('items', {}))}]"
        case {"type": "object"}:
            each = schema.get("additionalProperties")
            annotation = f"dict[str, {type_of(each) if isinstance(each, dict) else 'Any'}]"
        case {"type": str() as kind}:
            annotation = _SCALARS[kind]
        case _:
            annotation = "Any"
    return annotation
