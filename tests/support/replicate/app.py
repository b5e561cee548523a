"""The stand-in's routes: Replicate's under /v1, its files, and its own under /stand-in."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from tests.support.replicate.courier import Courier
from tests.support.replicate.files import content_of, download, missing, unavailable
from tests.support.replicate.scenario import File
from tests.support.replicate.service import Service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from tests.support.replicate.prediction import Prediction
    from tests.support.replicate.scenario import Scenario
    from tests.support.replicate.settings import Settings

RESET_S = 1


def problem(status: int, title: str, detail: str, **more: Any) -> JSONResponse:  # noqa: ANN401 - JSON
    """Return an error in Replicate's form."""
    return JSONResponse({"title": title, "detail": detail, "status": status, **more}, status)


def _not_found() -> JSONResponse:
    return problem(404, "Not found", "The requested resource could not be found.")


class Gate:
    """Lets a request to the API in if it bears the token and is not throttled."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self.service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 or 429, or pass the request on."""
        await (self._refusal(dict(scope["headers"])) or self.app)(scope, receive, send)

    def _refusal(self, headers: dict[bytes, bytes]) -> Response | None:
        given = headers.get(b"authorization", b"").decode("latin-1")
        if given not in {f"{scheme} {self.service.settings.api_token}" for scheme in ("Bearer", "Token")}:
            return problem(401, "Unauthenticated", "You did not pass a valid authentication token")
        if self.service.throttled:
            self.service.throttled -= 1
            text = f"Request was throttled. Your rate limit resets in ~{RESET_S}s."
            refusal = problem(429, "Too many requests", text, retry_after=RESET_S)
            refusal.headers["ratelimit-reset"] = refusal.headers["retry-after"] = str(RESET_S)
            return refusal
        return None


class Api:
    """Handlers of the routes."""

    def __init__(self, service: Service) -> None:
        self.service = service

    async def create_by_model(self, request: Request) -> Response:
        """POST /v1/models/{owner}/{name}/predictions."""
        model = f"{request.path_params['owner']}/{request.path_params['name']}"
        return await self._create(request, model=model, version="hidden")

    async def create_by_version(self, request: Request) -> Response:
        """POST /v1/predictions."""
        return await self._create(request, model=None, version=None)

    async def _create(self, request: Request, *, model: str | None, version: str | None) -> Response:
        try:
            body = json.loads(await request.body())
            version = version or body["version"]
            # A version may be given as owner/name:version.
            model = model or version.partition(":")[0]
            prediction = self.service.create(model=model, version=version.rpartition(":")[2], body=body)
        except ValidationError as error:
            return problem(422, "Input validation failed", str(error))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return problem(422, "Input validation failed", f"unusable body: {error!r}")
        return JSONResponse(self.service.view(prediction), 201)

    async def list(self, request: Request) -> Response:
        """GET /v1/predictions: newest first, a hundred a page."""
        page, cursor = self.service.page(request.query_params.get("cursor"))
        following = cursor and f"{self.service.settings.public_url}/v1/predictions?cursor={cursor}"
        views = [self.service.view(each) for each in page]
        return JSONResponse({"previous": None, "next": following, "results": views})

    async def get(self, request: Request) -> Response:
        """GET /v1/predictions/{id}."""
        prediction = self._prediction(request)
        return JSONResponse(self.service.view(prediction)) if prediction else _not_found()

    async def cancel(self, request: Request) -> Response:
        """POST /v1/predictions/{id}/cancel."""
        prediction = self._prediction(request)
        return JSONResponse(self.service.view(self.service.cancel(prediction))) if prediction else _not_found()

    async def webhook_secret(self, _request: Request) -> Response:
        """GET /v1/webhooks/default/secret."""
        return JSONResponse({"key": self.service.settings.webhook_secret})

    async def file(self, request: Request) -> Response:
        """GET /files/{id}/{number}/output.mp4: no token, as on replicate.delivery; gone when it has expired."""
        prediction, settings = self._prediction(request), self.service.settings
        if prediction is None or prediction.expired(self.service.clock(), lifetime_s=settings.file_lifetime_s):
            return missing()
        scenario, before = prediction.scenario, self.service.count_request(prediction)
        if scenario.file is File.MISSING:
            return missing()
        elsewhere = _door(scenario, request)
        if elsewhere is not None:
            return elsewhere
        if before < scenario.failures:
            return unavailable()
        cut = before < scenario.failures + scenario.cuts
        return download(
            await asyncio.to_thread(content_of, scenario, settings.media_file),
            etag=f'"{prediction.id}"',
            range_header=request.headers.get("range"),
            bytes_per_second=scenario.bytes_per_second,
            cut_after=scenario.cut_after_bytes if cut else 0,
        )

    async def deliveries(self, _request: Request) -> Response:
        """GET /stand-in/deliveries: all webhook requests, oldest first."""
        return JSONResponse([asdict(each) for each in self.service.courier.deliveries])

    async def deliver(self, request: Request) -> Response:
        """POST /stand-in/predictions/{id}/webhook: send it once more."""
        prediction = self._prediction(request)
        if prediction is None:
            return _not_found()
        await self.service.notify(prediction)
        return Response(status_code=204)

    async def throttle(self, request: Request) -> Response:
        """POST /stand-in/throttle {"requests": 3}: so many are answered 429."""
        self.service.throttled = int((await request.json())["requests"])
        return Response(status_code=204)

    async def health(self, _request: Request) -> Response:
        """GET /healthz."""
        return JSONResponse({"status": "ok"})

    def _prediction(self, request: Request) -> Prediction | None:
        return self.service.predictions.get(request.path_params["id"])


def _door(scenario: Scenario, request: Request) -> Response | None:
    """Return what is answered in place of a file that asks for a token or has moved; None: this request may have it."""
    given = request.headers.get("authorization")
    if scenario.moved_to and request.url.hostname == scenario.moved_to:
        return None if given is None else problem(400, "Bad request", "A token of another host arrived here")
    if scenario.bearer and given != f"Bearer {scenario.bearer}":
        return problem(401, "Unauthenticated", "The file asks for its token")
    return RedirectResponse(request.url.replace(hostname=scenario.moved_to)) if scenario.moved_to else None


def _routes(api: Api) -> list[Route | Mount]:
    gate = Middleware(Gate, service=api.service)
    replicate = [
        Route("/models/{owner}/{name}/predictions", api.create_by_model, methods=["POST"]),
        Route("/predictions", api.create_by_version, methods=["POST"]),
        Route("/predictions", api.list),
        Route("/predictions/{id}", api.get),
        Route("/predictions/{id}/cancel", api.cancel, methods=["POST"]),
        Route("/webhooks/default/secret", api.webhook_secret),
    ]
    return [
        Mount("/v1", routes=replicate, middleware=[gate]),
        Route("/files/{id}/{number:int}/output.mp4", api.file),
        Route("/stand-in/deliveries", api.deliveries),
        Route("/stand-in/predictions/{id}/webhook", api.deliver, methods=["POST"]),
        Route("/stand-in/throttle", api.throttle, methods=["POST"]),
        Route("/healthz", api.health),
    ]


def _utc_now() -> datetime:
    return datetime.now(UTC)


def application(
    settings: Settings, *, client: httpx.AsyncClient | None = None, clock: Callable[[], datetime] = _utc_now
) -> Starlette:
    """Return the stand-in; `client` makes its webhook requests."""
    client = client or httpx.AsyncClient(follow_redirects=False)
    courier = Courier(client=client, secret=settings.webhook_secret, waits_s=settings.webhook_waits_s, clock=clock)
    service = Service(settings=settings, courier=courier, clock=clock)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await service.close()
        await client.aclose()

    app = Starlette(routes=_routes(Api(service)), lifespan=lifespan)
    app.state.service = service
    return app
