"""What each route takes and answers: a table from which `openapi` is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

from mediaimport_api.status import Kind

from mediaimport_webhook.http import schemas
from mediaimport_webhook.imports.create import ImportRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

Schema = dict[str, Any]
_TEXT: Schema = {"type": "string"}
_GROUPS = {"media": "media", "stats": "media", "replicate": "generators", "fal": "generators"}


@dataclass(frozen=True)
class Parameter:
    """A parameter of a route, in `path`, `query` or `header`."""

    name: str
    place: str
    words: str
    schema: Mapping[str, Any] = field(default_factory=lambda: _TEXT)
    example: str | None = None


@dataclass(frozen=True)
class Operation:
    """One route. `answer` is the shape of its success, `problems` are the statuses of its refusals."""

    method: str
    path: str
    name: str
    words: str
    answer: object | None
    status: int = 200
    problems: tuple[int, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    body: type[BaseModel] | Schema | None = None
    example: Mapping[str, Any] | None = None
    bearer: bool = True
    media_type: str = "application/json"

    @property
    def group(self) -> str:
        """Return what the document files it under."""
        return _GROUPS.get(self.path.removeprefix("/api/v1/").partition("/")[0], "service")


_ID = Parameter("id", "path", "The asset's id.", {"type": "string", "format": "uuid"})
_LIST = (
    Parameter("limit", "query", "Assets on a page.", {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}),
    Parameter("cursor", "query", "`next` of the page before."),
    Parameter("status", "query", "Only these.", {"type": "string", "enum": [*get_args(schemas.AssetStatus)]}),
    Parameter("type", "query", "Only these.", {"type": "string", "enum": [each.value for each in Kind]}),
    Parameter("tag", "query", "Only with this tag."),
    Parameter("job_id", "query", "Only of this prediction, or the import of this name."),
    Parameter("user", "query", "Only of this user; for admins."),
)
_KEY = Parameter(
    "Idempotency-Key",
    "header",
    "The same key makes the same import, however often it is sent.",
    {"type": "string", "pattern": "^[!-~]{1,255}$"},
)
_DOWNLOAD = Parameter(
    "download", "query", "Whether the URL saves the file under the asset's name.", {"type": "boolean", "default": False}
)
_SEEN = Parameter("Last-Event-ID", "header", "The last event that the client has.")
_ALIAS = Parameter("alias", "path", "A model, by its configured name.", example="wan-video-t2v")
_MODEL = Parameter(
    "model", "query", "`owner/name`, for results that fal.ai leaves out of its callback and that are fetched then."
)
_JOB = Parameter("id", "path", "The prediction's id.")
_CALLBACK: Schema = {"type": "object", "description": "The generator's own JSON, signed."}
_GENERATION: Schema = {
    "type": "object",
    "description": "The model's input fields, as configured, and tags for what comes of it.",
    "properties": {"tags": {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 63}}},
    "additionalProperties": True,
}
_PROMPT = {"prompt": "a rabbit in a meadow", "size": "720p", "duration": "5s"}
_URL = {"url": "https://example.com/video.mp4", "name": "film.mp4", "type": "video", "metadata": {"shot": 7}}
_OPEN, _OWN = (405,), (401, 405, 429, 503)
_CALLED = (400, 401, 405, 413, 429, 502, 503)

OPERATIONS = (
    Operation("GET", "/healthz", "alive", "Whether the process runs.", schemas.Alive, problems=_OPEN, bearer=False),
    Operation("GET", "/readyz", "ready", "Whether reads are answered.", schemas.Ready, problems=_OPEN, bearer=False),
    Operation("GET", "/openapi.json", "openapi", "This document.", dict[str, Any], problems=_OPEN, bearer=False),
    Operation(
        "POST", "/api/v1/replicate/webhook", "replicateWebhook",
        "Replicate calls back (Standard Webhooks): 2xx once all is persisted.",
        schemas.Taken, problems=_CALLED, body=_CALLBACK, bearer=False,
    ),
    Operation(
        "POST", "/api/v1/fal/webhook", "falWebhook", "fal.ai calls back (ED25519): 2xx once all is persisted.",
        schemas.Taken, problems=_CALLED, parameters=(_MODEL,), body=_CALLBACK, bearer=False,
    ),
    Operation(
        "POST", "/api/v1/replicate/{alias}", "generate", "Start a prediction; what it makes becomes the caller's.",
        schemas.Started, 202, (400, *_OWN, 404, 413, 422, 502), (_ALIAS,), _GENERATION, _PROMPT,
    ),
    Operation(
        "GET", "/api/v1/replicate/predictions/{id}", "showJob", "How a prediction stands, and what came of it.",
        schemas.Job, problems=(*_OWN, 404, 422, 502), parameters=(_JOB,),
    ),
    Operation(
        "POST", "/api/v1/media/import-from-url", "importFromUrl", "Import media from a URL.",
        schemas.Accepted, 202, (400, *_OWN, 409, 410, 413, 422), (_KEY,), ImportRequest, _URL,
    ),
    Operation(
        "GET", "/api/v1/media/", "listMedia", "The caller's assets, newest first.",
        schemas.AssetList, problems=(400, *_OWN, 422), parameters=_LIST,
    ),
    Operation(
        "GET", "/api/v1/media/{id}", "showMedia", "One asset: poll it until it is ready or failed.",
        schemas.Asset, problems=(*_OWN, 404, 410, 422), parameters=(_ID, _DOWNLOAD),
    ),
    Operation(
        "DELETE", "/api/v1/media/{id}", "deleteMedia", "Delete an asset and all that is stored of it, for good.",
        None, 202, (*_OWN, 404, 409, 410, 501), (_ID,),
    ),
    Operation(
        "POST", "/api/v1/media/{id}/retry", "retryMedia", "Run an import that is over again.",
        schemas.Accepted, 202, (*_OWN, 404, 409, 410, 422), (_ID,),
    ),
    Operation(
        "GET", "/api/v1/media/{id}/events", "followMedia",
        "Server-Sent Events: the asset (event `asset`) at each change, until it is ready or failed; `gone` if it goes.",
        str, problems=(*_OWN, 404, 410), parameters=(_ID, _SEEN), media_type="text/event-stream",
    ),
    Operation("GET", "/api/v1/stats", "stats", "Counts, bytes, recent failures.", schemas.Stats, problems=_OWN),
)  # fmt: skip
