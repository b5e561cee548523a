"""The client for programs without an event loop."""

from __future__ import annotations

import math
import time
from contextlib import closing, contextmanager
from typing import IO, TYPE_CHECKING, Any, Self, cast

import httpx

from mediaimport_client import calls
from mediaimport_client.errors import ProblemError
from mediaimport_client.stream import AssetChanged, StreamEvent, StreamParser
from mediaimport_client.webhooks import Webhooks

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from mediaimport_client import types
    from mediaimport_client.calls import Call


class MediaImport:
    """One installation of MediaImport, as one user. Use it in a `with`, or `close` it."""

    def __init__(
        self, url: str, token: str | Callable[[], str], *, retries: int = 3, http: httpx.Client | None = None
    ) -> None:
        """Return a client. A token that is a function is asked before each request, so that it may renew it.

        `retries` counts further tries of a request that is repeatable. `http` sends the requests, also to the store.
        """
        self._url, self._token, self._retries = url, token, retries
        self._http = http or httpx.Client()
        self.webhooks = Webhooks(self._send)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def import_url(
        self,
        url: str,
        *,
        idempotency_key: str | None = None,
        **fields: Any,  # noqa: ANN401 - see ImportRequest
    ) -> types.AcceptedImport:
        """Import a URL; `fields` are those of ImportRequest. A request that is sent again makes no second import."""
        return cast("types.AcceptedImport", self._json(calls.import_url({"url": url, **fields}, idempotency_key)))

    def import_many(self, requests: Sequence[Mapping[str, Any]]) -> list[types.BatchedImport]:
        """Import up to 100 URLs; the answers are in the order of the requests, each accepted or a problem."""
        return cast("types.BatchedImports", self._json(calls.import_many(requests)))["imports"]

    def upload(
        self,
        file: IO[bytes],
        *,
        size_bytes: int,
        **fields: Any,  # noqa: ANN401 - see UploadRequest
    ) -> types.AcceptedImport:
        """Upload a file of that size to the store, and import it; `fields` are those of UploadRequest."""
        begun = cast("types.BegunUpload", self._json(calls.begin_upload(size_bytes, fields)))
        length = {"Content-Length": str(size_bytes)}
        stored = self._http.put(begun["url"], headers={**length, **begun["headers"]}, content=file)
        if not stored.is_success:
            raise calls.problem_of(stored)
        return cast("types.AcceptedImport", self._json(calls.complete_upload(begun["id"])))

    def generate(
        self,
        alias: str,
        given: Mapping[str, Any],
        *,
        tags: Sequence[str] | None = None,
        idempotency_key: str | None = None,
    ) -> types.StartedPrediction:
        """Start a prediction of a model by its alias; `wait_for_job` has its assets."""
        return cast("types.StartedPrediction", self._json(calls.generate(alias, given, tags, idempotency_key)))

    def models(self) -> list[types.Model]:
        """Return the models that can be started, each with the JSON Schema of its input."""
        return cast("types.ModelList", self._json(calls.Call("GET", "/api/v1/models")))["models"]

    def job(self, job_id: str) -> types.Job:
        """Return a prediction with its assets, as they are now."""
        return cast("types.Job", self._json(calls.job(job_id)))

    def delete_job(self, job_id: str) -> list[types.DeletedAsset]:
        """Delete all assets of a prediction, for an admin of any user; return the answer to each."""
        deleted: list[types.DeletedAsset] = []
        while True:
            answer = cast("types.DeletedAssets", self._json(calls.delete_job(job_id)))
            deleted += answer["assets"]
            if not answer["more"]:
                return deleted

    def wait_for_job(self, job_id: str, *, timeout_s: float = math.inf) -> types.Job:
        """Return a prediction once all its assets are stored; GenerationFailedError, WaitTimeoutError."""
        end, pause_s = time.monotonic() + timeout_s, calls.FIRST_POLL_S
        while not calls.done(job := self.job(job_id)):
            left_s = end - time.monotonic()
            calls.check_time(left_s, f"the prediction {job_id} is not ready")
            time.sleep(min(pause_s, left_s))
            pause_s = min(1.5 * pause_s, calls.LONGEST_POLL_S)
        return job

    def get(self, asset_id: str, *, download: bool = False, user: str | None = None) -> types.Asset:
        """Return an asset as it is now; for an admin, one of that user.

        With `download`, its URL makes a browser save the file.
        """
        query = {"download": download or None}
        return cast("types.Asset", self._json(calls.Call("GET", calls.media(asset_id, user), query)))

    def wait(
        self,
        asset_id: str,
        *,
        timeout_s: float = math.inf,
        on_progress: Callable[[types.Asset], None] = lambda _: None,
    ) -> types.Asset:
        """Return an asset once it is stored; AssetFailedError, WaitTimeoutError. `on_progress` gets earlier states."""
        end, etag = time.monotonic() + timeout_s, None
        while True:
            response = self._send(calls.waiting(asset_id, etag, end - time.monotonic()))
            if response.is_success:
                asset, etag = cast("types.Asset", response.json()), response.headers.get("etag")
                if calls.ready(asset):
                    return asset
                on_progress(asset)
            calls.check_time(end - time.monotonic(), f"the asset {asset_id} is not stored")

    def page(self, *, cursor: str | None = None, **filters: Any) -> types.AssetList:  # noqa: ANN401 - those of the list
        """Return one page of the assets that pass the filters."""
        return cast("types.AssetList", self._json(calls.page(filters, cursor)))

    def list(self, **filters: Any) -> Iterator[types.Asset]:  # noqa: ANN401 - those of the list
        """Yield all assets that pass the filters, page by page as they are asked for."""
        cursor = None
        while True:
            page = self.page(cursor=cursor, **filters)
            yield from page["assets"]
            cursor = page["next"]
            if cursor is None:
                return

    def edit(
        self,
        asset_id: str,
        *,
        user: str | None = None,
        **changes: Any,  # noqa: ANN401 - see AssetChanges
    ) -> types.Asset:
        """Change `name`, `tags` or `metadata` of a stored asset, and return it; a field that is left out stays.

        `metadata` is merged: a field of None is removed. Of two edits of one field the last one stays. An admin may
        edit an asset of that user.
        """
        call = calls.Call("PATCH", calls.media(asset_id, user), body=changes)
        return cast("types.Asset", self._json(call))

    def retry(self, asset_id: str) -> types.AcceptedImport:
        """Run the import of an asset again that has ended."""
        call = calls.Call("POST", f"{calls.media(asset_id)}/retry", repeatable=False)
        return cast("types.AcceptedImport", self._json(call))

    def delete(self, asset_id: str, *, user: str | None = None) -> None:
        """Delete an asset and its stored files; for an admin, one of that user."""
        self._send(calls.Call("DELETE", calls.media(asset_id, user)))

    def stats(self) -> types.Stats:
        """Return counts, bytes and the newest failures."""
        return cast("types.Stats", self._json(calls.Call("GET", "/api/v1/stats")))

    def operations(self) -> types.Operations:
        """Return imports under way by phase, failed ones by reason, sources that end next; an admin gets all."""
        return cast("types.Operations", self._json(calls.Call("GET", "/api/v1/operations")))

    def usage(self, *, user: str | None = None) -> types.Usage:
        """Return stored assets and bytes by month, and what is there twice; for an admin of all, or of that user."""
        return cast("types.Usage", self._json(calls.Call("GET", "/api/v1/usage", {"user": user})))

    def events(self, *, last_event_id: str | None = None) -> Iterator[StreamEvent]:
        """Yield each asset whenever it changes, over reconnections; ProblemError if the server refuses.

        The first event is Reset: list the assets then, and apply what comes. With the `last_event_id` of an earlier
        stream, what was missed comes instead.
        """
        return self._stream(calls.ALL_EVENTS, last_event_id)

    def follow(self, asset_id: str) -> Iterator[types.Asset]:
        """Yield one asset as it is now and at each change, over reconnections, until it is stored, failed or deleted.

        ProblemError if the server refuses.
        """
        with closing(self._stream(f"{calls.media(asset_id)}/events", None)) as events:
            for event in events:
                if not isinstance(event, AssetChanged):
                    return
                yield event.asset
                if event.asset["status"] != "uploading":
                    return

    def _stream(self, path: str, last_event_id: str | None) -> Generator[StreamEvent]:
        retry_s = StreamParser().retry_s
        while True:
            error: Exception | None = None
            try:
                with self._opened(calls.follow(path, last_event_id)) as response:
                    parser = StreamParser(retry_s)
                    for piece in response.iter_bytes():
                        for event in parser.feed(piece):
                            last_event_id = event.last_event_id or last_event_id
                            yield event
                        retry_s = parser.retry_s
            except (httpx.TransportError, ProblemError) as failed:
                error = failed
            time.sleep(calls.reconnect_s(error, retry_s))

    def _json(self, call: Call) -> object:
        return self._send(call).json()

    def _send(self, call: Call) -> httpx.Response:
        """Return the answer, its body read; ProblemError after the tries that make sense."""
        attempt = 0
        while True:
            try:
                with self._opened(call) as response:
                    response.read()
                    return response
            except (httpx.TransportError, ProblemError) as error:
                time.sleep(calls.pause_s(call, error, attempt, self._retries))
            attempt += 1

    @contextmanager
    def _opened(self, call: Call) -> Iterator[httpx.Response]:
        token = self._token if isinstance(self._token, str) else self._token()
        request = self._http.build_request(**call.arguments(self._url, token))
        response = self._http.send(request, stream=True)
        try:
            if not calls.is_success(response):
                response.read()
                raise calls.problem_of(response)
            yield response
        finally:
            response.close()
