"""OpenAPI 3.1 document, generated from the types; `make generate` writes it to docs/openapi.json."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

from pydantic import TypeAdapter
from starlette.responses import Response

from mediaimport_webhook.http.api_operations import OPERATIONS, TEXT, Operation, Parameter, Schema
from mediaimport_webhook.http.problem_types import ProblemDetails

if TYPE_CHECKING:
    from starlette.requests import Request

_REF = "#/components/schemas/{model}"
_PROBLEM = "application/problem+json"
_API_VERSION = "1"
_DESCRIPTION = (
    "Saves the media that generators make. Every 4xx and 5xx is RFC 9457 problem JSON with a stable `type`"
    " (docs/reference/problems.md), and every answer has an X-Request-Id;"
    " 429 and 503 say in Retry-After when to try again."
)


def document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    references, definitions = _schemas()
    paths: dict[str, Any] = {}
    for each in OPERATIONS:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation_object(each, references)
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
    """Return the schema of each type that an operation names, and the definitions that those refer to."""
    shapes = [ProblemDetails, *(each.response for each in OPERATIONS), *(each.body for each in OPERATIONS)]
    types: list[Any] = [each for each in dict.fromkeys(map(_type_of, shapes)) if each is not None]
    mode: Literal["serialization"] = "serialization"
    inputs = [(index, mode, TypeAdapter(each)) for index, each in enumerate(types)]
    references, defined = TypeAdapter.json_schemas(inputs, ref_template=_REF)
    return {each: references[index, mode] for index, each in enumerate(types)}, defined["$defs"]


def _type_of(shape: object) -> object:
    return None if isinstance(shape, dict) else shape


def _schema(shape: object, references: dict[object, Schema]) -> Schema:
    return shape if isinstance(shape, dict) else references[shape]


def _operation_object(operation: Operation, references: dict[object, Schema]) -> Schema:
    content: Schema = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "security": [{"bearer": []}] if operation.bearer else [],
        "responses": _responses(operation, references),
    }
    if operation.parameters:
        content["parameters"] = [_parameter_object(each) for each in operation.parameters]
    if operation.body is not None:
        example = {} if operation.example is None else {"example": dict(operation.example)}
        body = {"schema": _schema(operation.body, references)} | example
        content["requestBody"] = {"required": True, "content": {"application/json": body}}
    return content


def _responses(operation: Operation, references: dict[object, Schema]) -> Schema:
    success = _success(operation, references)
    problem = {"content": {_PROBLEM: {"schema": references[ProblemDetails]}}}
    refusals = {
        str(status): {"description": HTTPStatus(status).phrase} | problem for status in sorted(operation.problems)
    }
    # An unready service answers with the body of a ready one.
    unready = {"503": success | {"description": "Not ready"}} if operation.name == "ready" else {}
    empty = {} if operation.no_content is None else {"204": {"description": operation.no_content}}
    if operation.tagged or operation.conditional:
        tag = {"ETag": {"description": "for If-None-Match, and of one asset for If-Match", "schema": TEXT}}
        success |= {"headers": tag}
    if operation.conditional:
        empty["304"] = {"description": "If-None-Match names the current answer"}
    return {str(operation.status): success} | empty | refusals | unready


def _success(operation: Operation, references: dict[object, Schema]) -> Schema:
    success: Schema = {"description": HTTPStatus(operation.status).phrase}
    if operation.links:
        links = operation.links
        success["links"] = {
            each.operation: {"operationId": each.operation, "parameters": {"id": each.id}} for each in links
        }
    if operation.response is None:
        return success
    return success | {"content": {operation.media_type: {"schema": _schema(operation.response, references)}}}


def _parameter_object(parameter: Parameter) -> Schema:
    content = {
        "name": parameter.name,
        "in": parameter.location,
        "description": parameter.description,
        "required": parameter.location == "path",
        "schema": dict(parameter.schema),
    }
    return content | ({} if parameter.example is None else {"example": parameter.example})


def render() -> str:
    """Return the document as a file."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


class OpenApiRoute:
    """The route `openapi.json`."""

    def __init__(self) -> None:
        self._body = json.dumps(document()).encode()

    async def show(self, _: Request) -> Response:
        """Return the document."""
        return Response(self._body, media_type="application/json")
