"""File outputs of a prediction, whatever the shape of its output, and the import of each. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from mediaimport_api import names
from mediaimport_api.spec import Expected, Source, Spec, StoredObject

from mediaimport_webhook.http import problems, schemas
from mediaimport_webhook.imports.manifest import label_value, manifest_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from pydantic import JsonValue

    from mediaimport_webhook.cluster import Resource
    from mediaimport_webhook.generation.inline import InlineFile
    from mediaimport_webhook.generation.owner import Owner
    from mediaimport_webhook.generation.providers import Prediction
    from mediaimport_webhook.generation.recipe import RecordedRecipe

GENERATED = "ai-generated"
"""Tag of every generated asset."""
_MAX_FILE_NAME = 255
_URL = re.compile(r"https?://[^\s/?#]+\S*", re.IGNORECASE)
_JOINT = re.compile(r",(?=https?://)", re.IGNORECASE)
"""Comma between two URLs that stand without a blank."""
_DATA = re.compile(r"data:(?!text/html\b)[a-z]{1,32}/[a-z0-9.+-]{1,96}(?:;[^,;\s]*)*,", re.IGNORECASE)
"""Start of a word; the rest may be tens of megabytes."""
_ENCODED = re.compile(r"data:[^,\s]*;base64,", re.IGNORECASE)
_TEXTUAL = re.compile(r"data:text/", re.IGNORECASE)
_MAX_DEPTH = 32
_MAX_POINTER = 256
"""As in the schema of the resource."""
_PAGES = frozenset({"htm", "html", "xhtml"})
"""File extensions of what is no output. Any other URL is imported: the bytes decide what it is."""
_JSON_STARTS = ("{", "[", '"')
_WORD = re.compile(r"\w")
_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True)
class Output:
    """URL in a prediction's output, with the JSON Pointer to it; of several in one text each has its number behind."""

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
    """Return each URL of a file once, under its first pointer."""
    found: dict[str, Output] = {}
    for each in sorted(_walk(output, ()), key=lambda each: each.pointer):
        found.setdefault(each.url, each)
    return list(found.values())


def _walk(node: JsonValue, location: tuple[int | str, ...], depth: int = 0) -> Iterator[Output]:
    """Yield the outputs below a node; JSON in a text is one level deeper."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(node, str):
        yield from _read(node, location, depth)
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _walk(value, (*location, key), depth + 1)
    elif isinstance(node, list) and not _is_tokens(node):
        for index, value in enumerate(node):
            yield from _walk(value, (*location, index), depth + 1)


def _read(text: str, location: tuple[int | str, ...], depth: int) -> Iterator[Output]:
    """Yield the URLs of a text that has nothing else: one, several on lines, or those in JSON. Prose has none."""
    text = text.removeprefix(_BYTE_ORDER_MARK).strip()
    if text.startswith(_JSON_STARTS):
        yield from _walk(_json(text), location, depth + 1)
        return
    urls = _urls(text)
    for index, url in enumerate(urls):
        if _is_file(url):
            yield Output(_pointer(location if len(urls) == 1 else (*location, index)), url)


def _json(text: str) -> JsonValue:
    try:
        parsed: JsonValue = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return parsed


def _urls(text: str) -> list[str]:
    """Return the URLs of a text, none if it has a word that is no URL.

    Commas between them and angle brackets around one (RFC 3986, appendix C) are no part of them.
    """
    words = text.split()
    if len(words) > 1:
        words = [word.rstrip(",") for word in words]
    words = [_unbracketed(part) for word in words for part in _parted(word)]
    return words if all(_is_url(word) for word in words) else []


def _parted(word: str) -> list[str]:
    return _JOINT.split(word) if word[:4].lower() == "http" else [word]


def _unbracketed(word: str) -> str:
    return word[1:-1] if word.startswith("<") and word.endswith(">") else word


def _is_tokens(items: list[JsonValue]) -> bool:
    """Tell whether these are the pieces of a text, as a language model streams them: a URL among them is a word of it.

    The pieces carry the blanks between the words: one begins with it, or the piece next to it.
    """
    pieces = [each for each in items if isinstance(each, str)]
    urls = [index for index, each in enumerate(pieces) if _urls(each)]
    if len(pieces) < len(items) or not any(_WORD.search(each) and not _urls(each) for each in pieces):
        return False
    return any(_is_glued(pieces[max(index - 1, 0) : index + 2], index - max(index - 1, 0)) for index in urls)


def _is_glued(pieces: list[str], index: int) -> bool:
    """Tell whether a blank joins that piece with one next to it."""
    before, after = pieces[:index], pieces[index + 1 :]
    return (
        pieces[index].startswith(" ")
        or any(each.endswith(" ") for each in before)
        or any(each.startswith(" ") for each in after)
    )


def _pointer(location: tuple[int | str, ...]) -> str:
    """Return the JSON Pointer; of one that a resource cannot hold a part and a hash, which no JSON Pointer equals."""
    pointer = problems.pointer_of(location)
    raw = pointer.encode(errors="surrogatepass")
    kept = pointer.encode(errors="replace").decode()
    if kept == pointer and len(pointer) <= _MAX_POINTER:
        return pointer
    mark = f"~sha256:{hashlib.sha256(raw).hexdigest()}"
    return kept[: _MAX_POINTER - len(mark)] + mark


def _is_url(text: str) -> bool:
    """Tell whether a word, which has no blanks, is a URL."""
    return (_DATA.match(text) if text[:5].lower() == "data:" else _URL.fullmatch(text)) is not None


def _is_file(url: str) -> bool:
    """Tell whether a URL is that of a file: no page, and no text within the URL itself, unless it is encoded."""
    if url[:5].lower() == "data:":
        return _TEXTUAL.match(url) is None or _ENCODED.match(url) is not None
    try:
        name = urlsplit(url).path.rpartition("/")[2]
    except ValueError:
        return False
    return "." not in name or name.rpartition(".")[2].lower() not in _PAGES


def generated_tags(tags: Sequence[str]) -> list[str]:
    """Return the tags after the one of every generated asset."""
    return list(dict.fromkeys([GENERATED, *tags]))[: schemas.MAX_TAGS]


def generated_manifest(  # noqa: PLR0913 - all that an import is made of
    recipe: RecordedRecipe,
    output: Output,
    *,
    owner: Owner,
    expires_at: datetime | None,
    recovered: bool = False,
    inline: InlineFile | None = None,
) -> Resource:
    """Return the import of one output; pydantic's ValidationError if the schema refuses it.

    With an inline file, its source is the object in which that one waits.
    """
    prediction = recipe.prediction
    identity = (prediction.provider, prediction.id, output.pointer)
    asset_id = names.prediction_asset_id(*identity)
    waiting = None if inline is None else StoredObject(key=names.incoming_key(owner.user_id, asset_id))
    spec = Spec(
        source=Source(
            url=output.url if inline is None else None,
            store=waiting,
            expires_at=expires_at if inline is None else None,
            provider=recipe.provider(output.pointer),
        ),
        asset_id=asset_id,
        expected=None if inline is None else Expected(sha256=inline.sha256, size_bytes=inline.size_bytes),
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
