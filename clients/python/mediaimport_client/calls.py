"""Requests of the API, without input or output: their form, and whether another try makes sense."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx

from mediaimport_client.errors import AssetFailedError, GenerationFailedError, ProblemError, WaitTimeoutError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mediaimport_client.types import Asset, Job

WAIT_S = 30
"""Time for which one request waits for an import's end or progress."""
READ_TIMEOUT_S = WAIT_S + 15.0
"""A comment comes every 15 seconds; what is silent for so much longer is dead."""
FIRST_POLL_S, LONGEST_POLL_S = 2.0, 15.0
_LONGEST_PAUSE_S = 60.0
_TRANSIENT = frozenset({429, 502, 503, 504})


@dataclass(frozen=True)
class Call:
    """One request. `repeatable` says that a second one does what the first did."""

    method: str
    path: str
    query: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    repeatable: bool = True

    def arguments(self, base_url: str, token: str) -> dict[str, Any]:
        """Return the arguments of httpx's `build_request`."""
        given = {name: _text(value) for name, value in self.query.items() if value is not None}
        return {
            "method": self.method,
            "url": base_url.rstrip("/") + self.path,
            "params": given,
            "headers": {**self.headers, "Authorization": f"Bearer {token}"},
            "timeout": httpx.Timeout(30.0, read=READ_TIMEOUT_S),
            **({} if self.body is None else {"json": self.body}),
        }


def _text(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def media(asset_id: str, user: str | None = None) -> str:
    """Return the path of an asset: the caller's, or for an admin that user's."""
    owner = "" if user is None else f"users/{quote(user, safe='')}/"
    return f"/api/v1/{owner}media/{quote(asset_id, safe='')}"


def _keyed(path: str, body: object, key: str | None) -> Call:
    return Call("POST", path, headers={"Idempotency-Key": key or str(uuid.uuid4())}, body=body)


def import_url(request: Mapping[str, object], key: str | None) -> Call:
    """Return the import of a URL."""
    return _keyed("/api/v1/media/import-from-url", dict(request), key)


def import_many(requests: Sequence[Mapping[str, object]]) -> Call:
    """Return the import of many; each gets a key unless it has one."""
    imports = [{"idempotency_key": str(uuid.uuid4()), **each} for each in requests]
    return Call("POST", "/api/v1/media/import-from-urls", body={"imports": imports})


def begin_upload(size_bytes: int, fields: Mapping[str, object]) -> Call:
    """Return the begin of an upload; a second one would leave the first without a file, so it is sent once."""
    given = {name: value for name, value in fields.items() if value is not None}
    return Call("POST", "/api/v1/media/uploads", body={**given, "size_bytes": size_bytes}, repeatable=False)


def complete_upload(upload_id: str) -> Call:
    """Return the end of an upload."""
    return Call("POST", f"/api/v1/media/uploads/{upload_id}/complete")


def generate(alias: str, given: Mapping[str, object], tags: Sequence[str] | None, key: str | None) -> Call:
    """Return the start of a prediction."""
    body = dict(given) if tags is None else {**given, "tags": list(tags)}
    return _keyed(f"/api/v1/replicate/{quote(alias, safe='')}", body, key)


def job(job_id: str) -> Call:
    """Return the read of a prediction."""
    return Call("GET", f"/api/v1/replicate/predictions/{quote(job_id, safe='')}")


def delete_job(job_id: str) -> Call:
    """Return the deletion of a prediction's assets."""
    return Call("DELETE", f"/api/v1/predictions/{quote(job_id, safe='')}/media")


def waiting(asset_id: str, etag: str | None, left_s: float) -> Call:
    """Return the read of an asset: as it is now, or with an ETag once it has changed."""
    if etag is None:
        return Call("GET", media(asset_id))
    wait = max(0, min(WAIT_S, round(left_s + 0.5))) if left_s < WAIT_S else WAIT_S
    return Call("GET", media(asset_id), query={"wait": wait}, headers={"If-None-Match": etag})


def page(filters: Mapping[str, object], cursor: str | None) -> Call:
    """Return one page of the list."""
    given = {name: ",".join(value) if isinstance(value, list | tuple) else value for name, value in filters.items()}
    return Call("GET", "/api/v1/media/", query={**given, "cursor": cursor})


ALL_EVENTS = "/api/v1/events"
"""The path of the stream of all assets; that of one asset is below `media`."""


def follow(path: str, last_event_id: str | None) -> Call:
    """Return a connection to a stream of events."""
    seen = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
    return Call("GET", path, headers={"Accept": "text/event-stream", **seen})


def problem_of(response: httpx.Response) -> ProblemError:
    """Return the problem of a response whose body is read."""
    is_problem = response.headers.get("content-type", "").startswith("application/problem+json")
    seconds = response.headers.get("retry-after", "")
    retry_after_s = float(seconds) if seconds.isascii() and seconds.isdecimal() else None
    return ProblemError(response.status_code, response.json() if is_problem else None, retry_after_s)


def is_success(response: httpx.Response) -> bool:
    """Tell whether a response is what was asked for."""
    return response.is_success or response.status_code == HTTPStatus.NOT_MODIFIED


def is_transient(error: Exception) -> bool:
    """Tell whether another try may succeed; of a request with an Idempotency-Key that one still works on, too."""
    if isinstance(error, ProblemError):
        held = error.status == HTTPStatus.CONFLICT and error.retry_after_s is not None
        return error.status in _TRANSIENT or held
    return isinstance(error, httpx.TransportError)


def pause_s(call: Call, error: Exception, attempt: int, retries: int) -> float:
    """Return the time before the next try; raises the error where none makes sense. `attempt` counts from 0."""
    retry_after_s = error.retry_after_s if isinstance(error, ProblemError) else None
    pause = 0.5 * 2**attempt * random.uniform(0.5, 1.5) if retry_after_s is None else retry_after_s  # noqa: S311 - no secret
    if not call.repeatable or attempt >= retries or not is_transient(error) or pause > _LONGEST_PAUSE_S:
        raise error
    return pause


def reconnect_s(error: Exception | None, retry_s: float) -> float:
    """Return the time before a stream is opened again; raises the error that a server has for good."""
    if error is not None and not is_transient(error):
        raise error
    retry_after_s = (error.retry_after_s or 0.0) if isinstance(error, ProblemError) else 0.0
    return max(retry_s, retry_after_s) * random.uniform(1, 1.5)  # noqa: S311 - no secret


def ready(asset: Asset) -> bool:
    """Tell whether an asset is stored; AssetFailedError if it never will be."""
    if asset["status"] == "failed":
        raise AssetFailedError(asset)
    return asset["status"] == "ready"


def done(state: Job) -> bool:
    """Tell whether all assets of a prediction are stored; GenerationFailedError if they never will be."""
    if state["status"] == "failed":
        raise GenerationFailedError(state)
    return state["status"] == "ready"


def check_time(left_s: float, goal: str) -> None:
    """Raise WaitTimeoutError once no time is left."""
    if left_s <= 0:
        raise WaitTimeoutError(f"{goal} within the time")
