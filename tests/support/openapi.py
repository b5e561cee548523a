"""Validation of answers against the OpenAPI document."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import jsonschema_rs
from mediaimport_webhook.http.openapi import document

if TYPE_CHECKING:
    import httpx

_DOCUMENT = document()
_PATTERNS = {path: re.compile(re.sub(r"\{\w+\}", "[^/]+", path)) for path in _DOCUMENT["paths"]}


def _operations(path: str) -> dict[str, Any]:
    """Return the operations of a path, those of a literal one before those of a pattern."""
    spellings = {path.rstrip("/"), path.rstrip("/") + "/"}
    fits = [each for each, pattern in _PATTERNS.items() if any(map(pattern.fullmatch, spellings))]
    found: dict[str, Any] = _DOCUMENT["paths"][min(fits, key=lambda each: each.count("{"))] if fits else {}
    return found


def breach(answer: httpx.Response) -> str | None:
    """Return what the document does not promise about an answer; None if all is as promised."""
    method = answer.request.method.lower()
    operation = _operations(answer.request.url.path).get("get" if method == "head" else method)
    if operation is None:
        return None if answer.status_code in {404, 405} else f"{answer.status_code} of no operation"
    promised = operation["responses"].get(str(answer.status_code))
    if promised is None:
        return f"{operation['operationId']} answers an undocumented {answer.status_code}: {answer.text}"
    if "content" not in promised:
        return None if not answer.content else "a body where none is promised"
    kind = answer.headers["content-type"].partition(";")[0]
    if kind not in promised["content"]:
        return f"{kind} is not among {list(promised['content'])}"
    return _mismatch(answer, promised["content"][kind]["schema"]) if answer.content and kind.endswith("json") else None


def _mismatch(answer: httpx.Response, wanted: dict[str, Any]) -> str | None:
    schema = wanted | {"components": _DOCUMENT["components"]}
    errors = jsonschema_rs.validator_for(schema).iter_errors(answer.json())
    return next((f"{each.instance_path}: {each.message}" for each in errors), None)
