"""JSON of a generator, of whose nesting the parser has no limit: what is deeper than any media is left out.

Python's own parser ends in an error at some thousand levels, and the whole callback with it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from mediaimport_webhook.http import bodies

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEPT_LEVELS = 64
"""Of objects and arrays. No output is looked for at half of it."""
_MAX_DECODED_BYTES = bodies.MAX_CALLBACK_BYTES
"""Of a body that may be decoded, whatever its characters."""
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[{]+|[\]}]+', re.DOTALL)
"""Whole strings, whose brackets do not count, and runs of brackets."""


def parse(body: bytes) -> Any:  # noqa: ANN401 - JSON
    """Return the JSON value, with null for each array and object that is nested too deep; ValueError.

    Python's parser wants the body as one text, of which each character takes four bytes if one is an emoji.
    """
    if len(body) > _MAX_DECODED_BYTES:
        try:
            return from_json(body)
        except ValueError:
            if not body.isascii():
                raise
    try:
        return bodies.parse_json(body)
    except bodies.TooDeepError:
        return bodies.parse_json("".join(_shallow(body.decode())).encode())


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object, likewise; a 400 Problem for anything else."""
    return bodies.as_object(lambda: parse(body))


def _shallow(text: str) -> Iterator[str]:
    """Yield the text without what is too deep."""
    depth = kept_until = 0
    for token in _TOKEN.finditer(text):
        place, length = token.start(), len(token[0])
        match text[place]:
            case "[" | "{":
                if depth <= _KEPT_LEVELS < depth + length:
                    yield text[kept_until : place + _KEPT_LEVELS - depth]
                depth += length
            case "]" | "}":
                if depth - length <= _KEPT_LEVELS < depth:
                    yield "null"
                    kept_until = place + depth - _KEPT_LEVELS
                depth -= length
    yield text[kept_until:]
