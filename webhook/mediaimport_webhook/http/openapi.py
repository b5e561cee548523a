"""The OpenAPI 3.1 document, generated from the types; `make generate` writes it to docs/openapi.json."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

from pydantic import TypeAdapter
from starlette.responses import Response

from mediaimport_webhook.http import schemas
from mediaimport_webhook.http.operations import OPERATIONS, Operation, Parameter, Schema

if TYPE_CHECKING:
    from starlette.requests import Request

_REF = "#/components/schemas/{model}"
_PROBLEM = "application/problem+json"
_UNREADY = 503
_API_VERSION = "1"
_DESCRIPTION = (
    "Saves media that generators make, for good. Every 4xx and 5xx is RFC 9457 problem JSON with a stable `type`;"
    " 429 and 503 say in Retry-After when to come back."
)


def document() -> dict[str, Any]:
    """Return the document."""
    references, definitions = _schemas()
    paths: dict[str, Any] = {}
    for each in OPERATIONS:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, references)
    return {
        "openapi": "3.1.0",
        "info": {"title": "MediaImport", "version": _API_VERSION, "description": _DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": definitions,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _schemas() -> tuple[dict[object, Schema], dict[str, Schema]]:
    """Return the schema of each type that an operation names, and what those refer to."""
    named: list[object] = [
        schemas.ProblemAnswer,
        *(each.answer for each in OPERATIONS),
        *(each.body for each in OPERATIONS),
    ]
    types = [each for each in dict.fromkeys(map(_type_of, named)) if each is not None]
    mode: Literal["serialization"] = "serialization"
    inputs = [(index, mode, TypeAdapter(each)) for index, each in enumerate(types)]
    references, defined = TypeAdapter.json_schemas(inputs, ref_template=_REF)
    return {each: references[index, mode] for index, each in enumerate(types)}, defined["$defs"]


def _type_of(shape: object) -> Any:  # noqa: ANN401 - a type of any kind
    return None if isinstance(shape, dict) else shape


def _schema(shape: object, references: dict[object, Schema]) -> Schema:
    return shape if isinstance(shape, dict) else references[shape]


def _operation(operation: Operation, references: dict[object, Schema]) -> Schema:
    problem = {"content": {_PROBLEM: {"schema": references[schemas.ProblemAnswer]}}}
    refusals = {
        str(status): {"description": HTTPStatus(status).phrase} | problem for status in sorted(operation.problems)
    }
    found: Schema = {
        "operationId": operation.name,
        "tags": [operation.group],
        "summary": operation.words,
        "security": [{"bearer": []}] if operation.bearer else [],
        "responses": {str(operation.status): _success(operation, references)} | refusals,
    }
    if operation.name == "ready":
        found["responses"][str(_UNREADY)] = found["responses"]["200"] | {"description": "Not yet"}
    if operation.parameters:
        found["parameters"] = [_parameter(each) for each in operation.parameters]
    if operation.body is not None:
        content = {"schema": _schema(operation.body, references)}
        example = {} if operation.example is None else {"example": dict(operation.example)}
        found["requestBody"] = {"required": True, "content": {"application/json": content | example}}
    return found


def _success(operation: Operation, references: dict[object, Schema]) -> Schema:
    words: Schema = {"description": HTTPStatus(operation.status).phrase}
    if operation.answer is None:
        return words
    return words | {"content": {operation.media_type: {"schema": _schema(operation.answer, references)}}}


def _parameter(parameter: Parameter) -> Schema:
    found = {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.words,
        "required": parameter.place == "path",
        "schema": dict(parameter.schema),
    }
    return found | ({} if parameter.example is None else {"example": parameter.example})


def render() -> str:
    """Return the document as a file."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


class OpenApiRoute:
    """The route `openapi.json`."""

    def __init__(self) -> None:
        self._body = json.dumps(document()).encode()

    async def show(self, _: Request) -> Response:
        """Answer the document."""
        return Response(self._body, media_type="application/json")
