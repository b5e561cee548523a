"""Media outputs of a prediction, whatever the shape of its output, and the import of each. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from mediaimport_api import names
from mediaimport_api.spec import Provider, Source, Spec

from mediaimport_webhook.http import problems, schemas
from mediaimport_webhook.imports.manifest import label_value, manifest_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from pydantic import JsonValue

    from mediaimport_webhook.cluster import Resource
    from mediaimport_webhook.generation.owner import Owner
    from mediaimport_webhook.generation.providers import Prediction

GENERATED = "ai-generated"
"""Tag of every generated asset."""
_MAX_FILE_NAME = 255
_URL = re.compile(r"https?://[^\s/?#]+\S*", re.IGNORECASE)
_MEDIA_DATA = re.compile(r"data:(video|image|audio|application/octet-stream)\b[^\s]*", re.IGNORECASE)
_MAX_DEPTH = 32
_MAX_POINTER = 256
"""As in the schema of the resource."""
_NOT_MEDIA = frozenset({
    "bin", "csv", "ckpt", "css", "doc", "docx", "fbx", "glb", "gltf", "gz", "htm", "html", "js", "json", "jsonl",
    "md", "mtl", "npy", "npz", "obj", "onnx", "parquet", "pdf", "pickle", "pkl", "ply", "pt", "pth", "rar",
    "safetensors", "splat", "srt", "ssa", "stl", "tar", "tgz", "toml", "tsv", "txt", "usdz", "vtt", "wasm", "xlsx",
    "xml", "yaml", "yml", "zip", "7z",
})  # fmt: skip
"""File extensions that are surely no media. A URL with none, or an unknown one, is imported: the bytes decide."""


@dataclass(frozen=True)
class Output:
    """Media URL in a prediction's output, with the JSON Pointer to it."""

    pointer: str
    url: str

    @property
    def file_name(self) -> str:
        """Return the URL's last segment as a name for people; empty if there is none."""
        if self.url.startswith("data:"):
            return ""
        name = unquote(urlsplit(self.url).path.rpartition("/")[2])
        return "".join(each for each in name if each.isprintable())[:_MAX_FILE_NAME]


def media_outputs(output: JsonValue) -> list[Output]:
    """Return each media URL once, under its first pointer."""
    found: dict[str, Output] = {}
    for each in sorted(_walk(output, ()), key=lambda each: each.pointer):
        found.setdefault(each.url, each)
    return list(found.values())


def _walk(node: JsonValue, location: tuple[int | str, ...]) -> Iterator[Output]:
    if len(location) > _MAX_DEPTH:
        return
    if isinstance(node, str):
        if _is_media(node):
            yield Output(_pointer(location), node)
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _walk(value, (*location, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _walk(value, (*location, index))


def _pointer(location: tuple[int | str, ...]) -> str:
    """Return the JSON Pointer; of one that a resource cannot hold a part and a hash, which no JSON Pointer equals."""
    pointer = problems.pointer_of(location)
    raw = pointer.encode(errors="surrogatepass")
    kept = pointer.encode(errors="replace").decode()
    if kept == pointer and len(pointer) <= _MAX_POINTER:
        return pointer
    mark = f"~sha256:{hashlib.sha256(raw).hexdigest()}"
    return kept[: _MAX_POINTER - len(mark)] + mark


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


def generated_tags(tags: Sequence[str]) -> list[str]:
    """Return the tags after the one of every generated asset."""
    return list(dict.fromkeys([GENERATED, *tags]))[: schemas.MAX_TAGS]


def generated_manifest(
    prediction: Prediction, output: Output, *, owner: Owner, expires_at: datetime | None, recovered: bool = False
) -> Resource:
    """Return the import of one output; pydantic's ValidationError if the schema refuses it."""
    identity = (prediction.provider, prediction.id, output.pointer)
    spec = Spec(
        source=Source(
            url=output.url,
            expires_at=expires_at,
            provider=Provider(
                name=prediction.provider,
                id=prediction.id,
                pointer=output.pointer,
                model=prediction.model,
                version=prediction.version,
            ),
        ),
        asset_id=names.prediction_asset_id(*identity),
        name=output.file_name or None,
        user_id=owner.user_id,
        tags=generated_tags(owner.tags),
    )
    labels = {names.LABEL_SOURCE: prediction.provider, names.LABEL_PREDICTION: label_value(prediction.id)}
    if recovered:
        labels[names.LABEL_RECOVERED] = "true"
    return manifest_of(names.prediction_resource_name(*identity), spec, labels)


def announce_outputs(prediction: Prediction, manifests: Sequence[Resource]) -> None:
    """Note in each import of a prediction how many there are in all: some may come later than others, or never."""
    for each in manifests:
        each["metadata"]["annotations"] = {
            names.ANNOTATION_OUTPUTS: str(len(manifests)),
            names.ANNOTATION_PREDICTION_STATUS: prediction.state,
        }
