"""Media URLs in a prediction's output, whatever its shape. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mediaimport_webhook.generation.providers import Output
from mediaimport_webhook.http.problems import pointer_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import JsonValue

_URL = re.compile(r"https?://[^\s/?#]+\S*", re.IGNORECASE)
_MEDIA_DATA = re.compile(r"data:(video|image|audio|application/octet-stream)\b[^\s]*", re.IGNORECASE)
_MAX_DEPTH = 32
_NOT_MEDIA = frozenset({
    "bin", "csv", "ckpt", "css", "doc", "docx", "fbx", "glb", "gltf", "gz", "htm", "html", "js", "json", "jsonl",
    "md", "mtl", "npy", "npz", "obj", "onnx", "parquet", "pdf", "pickle", "pkl", "ply", "pt", "pth", "rar",
    "safetensors", "splat", "srt", "ssa", "stl", "tar", "tgz", "toml", "tsv", "txt", "usdz", "vtt", "wasm", "xlsx",
    "xml", "yaml", "yml", "zip", "7z",
})  # fmt: skip
"""Endings that are surely something else. A URL with none, or an unknown one, is taken: the importer looks at bytes."""


def media_outputs(output: JsonValue) -> list[Output]:
    """Return each media URL once, at the first pointer that has it."""
    found: dict[str, Output] = {}
    for each in sorted(_walk(output, ()), key=lambda each: each.pointer):
        found.setdefault(each.url, each)
    return list(found.values())


def _walk(node: JsonValue, location: tuple[int | str, ...]) -> Iterator[Output]:
    if len(location) > _MAX_DEPTH:
        return
    if isinstance(node, str):
        if _is_media(node):
            yield Output(pointer_of(location), node)
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _walk(value, (*location, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _walk(value, (*location, index))


def _is_media(text: str) -> bool:
    if text[:5].lower() == "data:":
        return _MEDIA_DATA.fullmatch(text) is not None
    return _URL.fullmatch(text) is not None and _may_be_media(text)


def _may_be_media(url: str) -> bool:
    try:
        name = urlsplit(url).path.rpartition("/")[2]
    except ValueError:
        return False
    return "." not in name or name.rpartition(".")[2].lower() not in _NOT_MEDIA
