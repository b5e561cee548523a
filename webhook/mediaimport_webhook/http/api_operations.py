"""Table of the API's operations: each path and method, what it takes, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

from mediaimport_api.model import SHA256_PATTERN
from mediaimport_api.status import Kind

from mediaimport_webhook.http import schemas
from mediaimport_webhook.http.schemas import webhooks as webhook_schemas

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
_TAGS = {
    "media": "media",
    "users": "media",
    "stats": "media",
    "models": "generators",
    "predictions": "media",
    "usage": "media",
    "replicate": "generators",
    "fal": "generators",
    "webhooks": "webhooks",
}


@dataclass(frozen=True)
class Parameter:
    """Parameter of an operation, in `path`, `query` or `header`."""

    name: str
    location: str
    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: TEXT)
    example: str | None = None


@dataclass(frozen=True)
class Link:
    """Operation that goes on from an answer: its path parameter `id` is that expression's value."""

    operation: str
    id: str


@dataclass(frozen=True)
class Operation:
    """Method of a path. `response` is the schema of its success, `problems` are the statuses of its refusals."""

    method: str
    path: str
    name: str
    summary: str
    response: object | None
    status: int = 200
    problems: tuple[int, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    body: type[BaseModel] | Schema | None = None
    example: Mapping[str, Any] | None = None
    bearer: bool = True
    media_type: str = "application/json"
    links: tuple[Link, ...] = ()
    no_content: str | None = None
    """Meaning of a 204."""
    tagged: bool = False
    """True if answers have an ETag."""
    conditional: bool = False
    """True if, besides, an answer that the caller has is 304."""

    @property
    def tag(self) -> str:
        """Return the group of operations that the document lists it in."""
        return _TAGS.get(self.path.removeprefix("/api/v1/").partition("/")[0], "service")


# --- the table of operations -------------------------------------------------------------------------------------

_ID = Parameter("id", "path", "The asset's id.", {"type": "string", "format": "uuid"})
_OF_USER = Parameter("user", "query", "Only of this user; for admins.")
_LIST = (
    Parameter("limit", "query", "Assets on a page.", {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}),
    Parameter("cursor", "query", "`next` of the page before."),
    Parameter("status", "query", "Only these.", {"type": "string", "enum": [*get_args(schemas.AssetStatus)]}),
    Parameter("type", "query", "Only these.", {"type": "string", "enum": [each.value for each in Kind]}),
    Parameter("tag", "query", "Only with this tag."),
    Parameter("job_id", "query", "Only of this prediction, or the import of this name."),
    Parameter("provider", "query", "Only of this generator."),
    Parameter("model", "query", "Only of this model."),
    Parameter("sha256", "query", "Only of these bytes.", {"type": "string", "pattern": SHA256_PATTERN}),
    Parameter("created_after", "query", "Only from this time on.", {"type": "string", "format": "date-time"}),
    Parameter("created_before", "query", "Only before this time.", {"type": "string", "format": "date-time"}),
    Parameter("ids", "query", "Only these assets: up to 100 ids with commas between them."),
    Parameter(
        "q", "query",
        "Only with these words, or words that begin so, in name, tags, prompt or metadata; needs a catalogue database.",
        {"type": "string", "minLength": 1, "maxLength": 200},
    ),
    Parameter(
        "sort", "query", "Order: by time of creation, or by size and then time.",
        {"type": "string", "enum": ["newest", "oldest", "largest", "smallest"], "default": "newest"},
    ),
    _OF_USER,
)  # fmt: skip
_IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key",
    "header",
    "Requests with the same key make one import, or one prediction.",
    {"type": "string", "pattern": "^[!-~]{1,255}$"},
)
_USER = Parameter("user", "path", "The asset's user.")
_DOWNLOAD = Parameter(
    "download", "query", "Whether the URL saves the file under the asset's name.", {"type": "boolean", "default": False}
)
_LAST_EVENT_ID = Parameter("Last-Event-ID", "header", "The last event that the client has.")
_WAIT = Parameter(
    "wait",
    "query",
    "Seconds to hold the answer until the import ends, or the asset differs from If-None-Match.",
    {"type": "integer", "minimum": 0, "maximum": 60, "default": 0},
)
_IF_NONE_MATCH = Parameter("If-None-Match", "header", "ETag of the answer that the client has.")
_IF_MATCH = Parameter("If-Match", "header", "ETag of the asset to edit: one that was edited since is 412.")
_ALIAS = Parameter("alias", "path", "A model, by its configured name.", example="wan-video-t2v")
_MODEL = Parameter(
    "model",
    "query",
    "`owner/name`. With it, a result that fal.ai leaves out of its callback, or sends in a large one, can be fetched.",
)
_JOB = Parameter("id", "path", "The prediction's id.")
_JOB_ID = Parameter("job_id", "path", "The prediction's id, of any generator.", example="pred1")
_CALLBACK: Schema = {"type": "object", "description": "The generator's own JSON, signed."}
_GENERATION: Schema = {
    "type": "object",
    "description": "The model's input fields, as configured, and tags for the generated assets.",
    "properties": {"tags": {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 63}}},
    "additionalProperties": True,
}
_SHOW = (_DOWNLOAD, _WAIT, _IF_NONE_MATCH)
_OF_WEBHOOK = (
    "showWebhook", "rotateWebhookKey", "testWebhook", "replayWebhook", "listWebhookDeliveries", "deleteWebhook",
)  # fmt: skip
_OF_ASSET = ("showMedia", "editMedia", "followMedia", "retryMedia", "deleteMedia")


def _asset_links(expression: str) -> tuple[Link, ...]:
    return tuple(Link(each, expression) for each in _OF_ASSET)


def _webhook_links(expression: str) -> tuple[Link, ...]:
    return tuple(Link(each, expression) for each in _OF_WEBHOOK)


_WEBHOOK_ID = Parameter("id", "path", "The webhook's id.")
_SINCE = Parameter(
    "since", "query", "Time of the first event; by default a day ago.", {"type": "string", "format": "date-time"}
)
_WEBHOOK = {"url": "https://example.com/hooks/mediaimport", "types": ["asset.ready", "asset.failed"]}
_PROMPT = {"prompt": "a rabbit in a meadow", "size": "720p", "duration": "5s"}
_UPLOAD_ID = Parameter("id", "path", "The upload's id.", {"type": "string", "format": "uuid"})
_UPLOAD = {"name": "film.mp4", "content_type": "video/mp4", "size_bytes": 31457280, "tags": ["draft"]}
_URL = {"url": "https://example.com/video.mp4", "name": "film.mp4", "type": "video", "metadata": {"shot": 7}}
_CHANGES = {"name": "final.mp4", "tags": ["final"], "metadata": {"shot": 8}}
_ALWAYS = (405, 408, 429, 500, 503)
_PUBLIC, _AUTHENTICATED = _ALWAYS, (401, *_ALWAYS)
_CALLBACK_PROBLEMS = (400, 401, 403, *_ALWAYS, 413, 502)

OPERATIONS = (
    Operation("GET", "/healthz", "alive", "Liveness.", schemas.Alive, problems=_PUBLIC, bearer=False),
    Operation(
        "GET", "/readyz", "ready", "Readiness: the read cache is filled.",
        schemas.Ready, problems=_PUBLIC, bearer=False,
    ),
    Operation("GET", "/openapi.json", "openapi", "This document.", dict[str, Any], problems=_PUBLIC, bearer=False),
    Operation(
        "POST", "/api/v1/replicate/webhook", "replicateWebhook",
        "Receive a callback of Replicate (Standard Webhooks): 2xx once all is persisted. The prediction of one above"
        " 5 MiB is read from Replicate's API.",
        schemas.CallbackResult, problems=_CALLBACK_PROBLEMS, body=_CALLBACK, bearer=False,
    ),
    Operation(
        "POST", "/api/v1/fal/webhook", "falWebhook",
        "Receive a callback of fal.ai (ED25519): 2xx once all is persisted. The result of one above 5 MiB is read from"
        " fal.ai's queue.",
        schemas.CallbackResult, problems=_CALLBACK_PROBLEMS, parameters=(_MODEL,), body=_CALLBACK, bearer=False,
    ),
    Operation(
        "POST", "/api/v1/replicate/{alias}", "generate", "Start a prediction, whose assets become the caller's.",
        schemas.StartedPrediction, 202, (400, *_AUTHENTICATED, 403, 404, 409, 413, 422, 502),
        (_ALIAS, _IDEMPOTENCY_KEY), _GENERATION, _PROMPT, links=(Link("showJob", "$response.body#/job_id"),),
    ),
    Operation(
        "GET", "/api/v1/replicate/predictions/{id}", "showJob", "Show a prediction's state and its assets.",
        schemas.Job, problems=(*_AUTHENTICATED, 404, 422, 502), parameters=(_JOB,),
    ),
    Operation(
        "GET", "/api/v1/models", "listModels",
        "List the models that can be started, with the JSON Schema of each one's input.",
        schemas.ModelList, problems=_AUTHENTICATED,
    ),
    Operation(
        "POST", "/api/v1/media/import-from-url", "importFromUrl", "Import media from a URL.",
        schemas.AcceptedImport, 202, (400, *_AUTHENTICATED, 403, 409, 410, 413, 422), (_IDEMPOTENCY_KEY,),
        schemas.ImportRequest, _URL, links=_asset_links("$response.body#/asset_id"),
    ),
    Operation(
        "POST", "/api/v1/media/import-from-urls", "importFromUrls",
        "Import media from up to 100 URLs; each has an answer of its own.",
        schemas.BatchedImports, 200, (400, *_AUTHENTICATED, 413, 422), (), schemas.ImportBatch, {"imports": [_URL]},
    ),
    Operation(
        "POST", "/api/v1/media/uploads", "beginUpload",
        "Begin the upload of a file: PUT it to `url` with `headers`, then complete the upload.",
        schemas.BegunUpload, 201, (400, *_AUTHENTICATED, 403, 413, 422), (),
        schemas.UploadRequest, _UPLOAD, links=(Link("completeUpload", "$response.body#/id"),),
    ),
    Operation(
        "POST", "/api/v1/media/uploads/{id}/complete", "completeUpload",
        "Import a file that was uploaded; a repeated request makes nothing new.",
        schemas.AcceptedImport, 202, (*_AUTHENTICATED, 403, 404, 409, 410, 422), (_UPLOAD_ID,),
        links=_asset_links("$response.body#/asset_id"),
    ),
    Operation(
        "GET", "/api/v1/media/", "listMedia", "List the caller's assets.",
        schemas.AssetList, problems=(400, *_AUTHENTICATED, 422), parameters=(*_LIST, _IF_NONE_MATCH), conditional=True,
    ),
    Operation(
        "GET", "/api/v1/media/{id}", "showMedia", "Show one asset: poll it until it is ready or failed.",
        schemas.Asset, problems=(*_AUTHENTICATED, 404, 410, 422), parameters=(_ID, *_SHOW), conditional=True,
    ),
    Operation(
        "PATCH", "/api/v1/media/{id}", "editMedia", "Change name, tags or metadata of a stored asset.",
        schemas.Asset, 200, (400, *_AUTHENTICATED, 404, 409, 410, 412, 413, 422), (_ID, _IF_MATCH),
        schemas.AssetChanges, _CHANGES, links=_asset_links("$request.path.id"), tagged=True,
    ),
    Operation(
        "DELETE", "/api/v1/media/{id}", "deleteMedia", "Delete an asset and its stored objects.",
        None, 202, (*_AUTHENTICATED, 404, 409, 410, 501), (_ID,), links=_asset_links("$request.path.id"),
    ),
    Operation(
        "GET", "/api/v1/users/{user}/media/{id}", "showMediaOfUser",
        "Show one asset of a user; for admins, also after its MediaImport was removed.",
        schemas.Asset, problems=(*_AUTHENTICATED, 404, 410, 422), parameters=(_USER, _ID, *_SHOW), conditional=True,
    ),
    Operation(
        "PATCH", "/api/v1/users/{user}/media/{id}", "editMediaOfUser",
        "Change name, tags or metadata of a user's stored asset; for admins, also after its MediaImport was removed.",
        schemas.Asset, 200, (400, *_AUTHENTICATED, 404, 409, 410, 412, 413, 422), (_USER, _ID, _IF_MATCH),
        schemas.AssetChanges, _CHANGES, tagged=True,
    ),
    Operation(
        "DELETE", "/api/v1/users/{user}/media/{id}", "deleteMediaOfUser",
        "Delete an asset of a user and its stored objects; for admins, also after its MediaImport was removed.",
        None, 202, (*_AUTHENTICATED, 404, 409, 410, 501), (_USER, _ID),
    ),
    Operation(
        "DELETE", "/api/v1/predictions/{job_id}/media", "deletePredictionMedia",
        "Delete all assets of a prediction; of an admin, everybody's. Each has an answer, and a repeated request none.",
        schemas.DeletedAssets, problems=_AUTHENTICATED, parameters=(_JOB_ID,),
    ),
    Operation(
        "POST", "/api/v1/media/{id}/retry", "retryMedia", "Run a finished import again.",
        schemas.AcceptedImport, 202, (*_AUTHENTICATED, 404, 409, 410, 422), (_ID,),
        links=_asset_links("$response.body#/asset_id"),
    ),
    Operation(
        "GET", "/api/v1/media/{id}/events", "followMedia",
        "Follow an asset by Server-Sent Events: `asset` at each change until it is ready or failed; `gone` if it goes.",
        schemas.AssetEvent, problems=(*_AUTHENTICATED, 404, 410), parameters=(_ID, _LAST_EVENT_ID),
        media_type="text/event-stream", links=_asset_links("$request.path.id"),
        no_content="The asset is ready or failed, and Last-Event-ID names its last event: do not come again",
    ),
    Operation(
        "GET", "/api/v1/events", "followAll",
        "Follow all assets by Server-Sent Events, without an end: `asset` at each change, `gone` if one is deleted,"
        " `reset` if the client is to list them. Of an admin, everybody's.",
        schemas.AnyAssetEvent, problems=_AUTHENTICATED, parameters=(_LAST_EVENT_ID,), media_type="text/event-stream",
    ),
    Operation(
        "GET", "/api/v1/usage", "usage", "Show stored assets and bytes by month, what is there twice, and the quota.",
        schemas.Usage, problems=(*_AUTHENTICATED, 422), parameters=(_OF_USER,),
    ),
    Operation(
        "GET", "/api/v1/webhooks", "listWebhooks", "List the caller's webhooks: endpoints that are told of events.",
        webhook_schemas.WebhookList, problems=(*_AUTHENTICATED, 403), parameters=(_OF_USER,),
    ),
    Operation(
        "POST", "/api/v1/webhooks", "createWebhook",
        "Make a webhook, five at most: it is told of the caller's events. Only this answer has its signing key.",
        webhook_schemas.KeyedWebhook, 201, (400, *_AUTHENTICATED, 409, 413, 422), (),
        webhook_schemas.WebhookRequest, _WEBHOOK, links=_webhook_links("$response.body#/id"),
    ),
    Operation(
        "GET", "/api/v1/webhooks/{id}", "showWebhook", "Show one webhook.",
        webhook_schemas.Webhook, problems=(*_AUTHENTICATED, 403, 404), parameters=(_WEBHOOK_ID, _OF_USER),
    ),
    Operation(
        "DELETE", "/api/v1/webhooks/{id}", "deleteWebhook", "Delete a webhook: it is told of nothing more.",
        None, 204, (*_AUTHENTICATED, 403, 404), (_WEBHOOK_ID, _OF_USER),
    ),
    Operation(
        "POST", "/api/v1/webhooks/{id}/rotate-key", "rotateWebhookKey",
        "Give a webhook a new signing key. Messages then have two signatures: of the new key and of the former one.",
        webhook_schemas.KeyedWebhook, problems=(*_AUTHENTICATED, 404), parameters=(_WEBHOOK_ID,),
    ),
    Operation(
        "POST", "/api/v1/webhooks/{id}/test", "testWebhook",
        "Send a message of type `webhook.test`, once and at once. The deliveries say how it ended.",
        webhook_schemas.WebhookTest, 202, (*_AUTHENTICATED, 404), (_WEBHOOK_ID,),
    ),
    Operation(
        "POST", "/api/v1/webhooks/{id}/replay", "replayWebhook",
        "Deliver again what happened since a time, by the ids that the events had: after a receiver's loss.",
        webhook_schemas.WebhookReplay, 202, (*_AUTHENTICATED, 404, 422), (_WEBHOOK_ID, _SINCE),
    ),
    Operation(
        "GET", "/api/v1/webhooks/{id}/deliveries", "listWebhookDeliveries",
        "List the newest deliveries to a webhook, 50 at most, with their time and the answer's status.",
        webhook_schemas.WebhookDeliveries, problems=(*_AUTHENTICATED, 403, 404), parameters=(_WEBHOOK_ID, _OF_USER),
    ),
    Operation(
        "GET", "/api/v1/stats", "stats", "Show counts, bytes and recent failures.",
        schemas.Stats, problems=_AUTHENTICATED,
    ),
    Operation(
        "GET", "/api/v1/operations", "operations",
        "Show imports under way by phase, failed ones by reason, and sources that end next. Of an admin, everybody's.",
        schemas.Operations, problems=_AUTHENTICATED,
    ),
)  # fmt: skip
