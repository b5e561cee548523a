"""The wiring: what is made of what, and a route a line."""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from mediaimport_runtime.kubernetes.errors import UnavailableError
from mediaimport_runtime.logs import Lines
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from mediaimport_webhook.access.gate import gate
from mediaimport_webhook.catalogue.index import Catalogue
from mediaimport_webhook.catalogue.lookup import Reads
from mediaimport_webhook.catalogue.presenter import Presenter
from mediaimport_webhook.catalogue.reflector import Reflector
from mediaimport_webhook.generation.intake import Callbacks
from mediaimport_webhook.generation.owner import Owners
from mediaimport_webhook.generation.providers.absent import Absent
from mediaimport_webhook.generation.providers.replicate import Replicate
from mediaimport_webhook.http import problems
from mediaimport_webhook.http.access_log import AccessLog
from mediaimport_webhook.http.openapi import OpenApiRoute
from mediaimport_webhook.http.routing import at
from mediaimport_webhook.imports.create import Imports
from mediaimport_webhook.imports.delete import Deletions
from mediaimport_webhook.metrics import Metrics
from mediaimport_webhook.routes.callbacks import CallbackRoute, webhook_path
from mediaimport_webhook.routes.events import EventRoutes
from mediaimport_webhook.routes.generation import GenerationRoutes
from mediaimport_webhook.routes.health import HealthRoutes
from mediaimport_webhook.routes.media import MediaRoutes
from mediaimport_webhook.routes.stats import StatsRoutes
from mediaimport_webhook.store.presign import StoreUnavailableError
from mediaimport_webhook.viewer.routes import Viewer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx
    from starlette.requests import Request
    from starlette.responses import Response

    from mediaimport_webhook.catalogue.lookup import SidecarReader
    from mediaimport_webhook.catalogue.presenter import UrlSigner
    from mediaimport_webhook.cluster import Cluster
    from mediaimport_webhook.generation.providers import Provider
    from mediaimport_webhook.settings import Settings


_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outside:
    """All that the shim talks to."""

    cluster: Cluster
    signer: UrlSigner
    sidecars: SidecarReader
    http: httpx.AsyncClient
    metrics: Metrics = field(default_factory=Metrics)
    access_log: TextIO = field(default_factory=lambda: sys.stderr)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server begins to drain: what would go on for long ends."""


def build(settings: Settings, outside: Outside) -> Starlette:
    """Return the shim; BadSettingError if the tokens file is wrong."""
    catalogue = Catalogue()
    reflector = Reflector(outside.cluster, catalogue)
    metrics = outside.metrics
    metrics.watch(reflector, catalogue)
    imports = Imports(outside.cluster, catalogue, outside.sidecars)
    owners = Owners(outside.cluster)
    presenter = Presenter(outside.signer)
    entrance = gate(settings, outside.http, metrics)
    reads = Reads(catalogue, outside.cluster, outside.sidecars)
    media = MediaRoutes(
        gate=entrance,
        sources=settings.sources,
        imports=imports,
        deletions=Deletions(outside.cluster, catalogue, outside.sidecars, settings.namespace),
        catalogue=catalogue,
        reads=reads,
        presenter=presenter,
        reflector=reflector,
        metrics=metrics,
    )
    replicate = Replicate(settings, outside.http)
    callbacks = Callbacks(
        cluster=outside.cluster, imports=imports, owners=owners, default_user_id=settings.default_user_id
    )
    doors = [CallbackRoute(each, callbacks, metrics) for each in (replicate, _fal(settings, outside.http))]
    generation = GenerationRoutes(
        generator=replicate,
        gate=entrance,
        public_base_url=settings.public_base_url,
        owners=owners,
        catalogue=catalogue,
        presenter=presenter,
    )
    events = EventRoutes(
        gate=entrance, catalogue=catalogue, reads=reads, presenter=presenter, stopping=outside.stopping, metrics=metrics
    )
    health = HealthRoutes(reflector, catalogue)
    routes = [
        at("/api/v1/media/import-from-url", POST=media.import_from_url),
        at("/api/v1/media/{id}", GET=media.show, DELETE=media.delete),
        at("/api/v1/media/", GET=media.list_assets),
        at("/api/v1/media/{id}/retry", POST=media.retry),
        at("/api/v1/media/{id}/events", GET=events.follow),
        *(at(webhook_path(each.provider), POST=each.webhook) for each in doors),
        at("/api/v1/replicate/predictions/{id}", GET=generation.show),
        at("/api/v1/replicate/{alias}", POST=generation.generate),
        at("/api/v1/stats", GET=StatsRoutes(entrance, catalogue, reflector).show),
        at("/healthz", GET=health.alive),
        at("/readyz", GET=health.ready),
        at("/openapi.json", GET=OpenApiRoute().show),
        *Viewer(settings.api_viewer_folder).routes(),
    ]
    return Starlette(
        routes=routes,
        middleware=_middleware(settings, outside),
        exception_handlers={
            problems.Problem: problems.answer_problem,
            HTTPException: problems.answer_http_error,
            UnavailableError: _answer_no_cluster,
            StoreUnavailableError: _answer_no_store,
            Exception: problems.answer_defect,
        },
        lifespan=lambda _: _reflecting(reflector),
    )


def _fal(settings: Settings, http: httpx.AsyncClient) -> Provider:
    if settings.fal_user_id is None:
        return Absent("fal", setting="FAL_USER_ID")
    from mediaimport_webhook.generation.providers.fal import Fal  # noqa: PLC0415 - 8 MB of cryptography, for who needs it

    return Fal(settings, http, user_id=settings.fal_user_id)


def _middleware(settings: Settings, outside: Outside) -> list[Middleware]:
    logged = settings.log_level in {"debug", "info"}
    lines = Lines(outside.access_log, AccessLog.__module__, "request") if logged else None
    kept = [Middleware(AccessLog, metrics=outside.metrics, lines=lines)]
    if settings.cors_origins:
        kept.append(
            Middleware(
                CORSMiddleware,
                allow_origins=list(settings.cors_origins),
                allow_methods=["GET", "POST", "DELETE"],
                expose_headers=["Age", "Location", "Retry-After"],
                allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"],
            )
        )
    return kept


@asynccontextmanager
async def _reflecting(reflector: Reflector) -> AsyncIterator[None]:
    """Feed the cache as long as the shim runs."""
    feeding = asyncio.create_task(reflector.run())
    try:
        yield
    finally:
        feeding.cancel()
        with suppress(asyncio.CancelledError):
            await feeding


async def _answer_no_cluster(_: Request, error: Exception) -> Response:
    _LOG.warning("the API server did not do what it was asked", extra={"error": str(error)})
    retry_after_s = error.retry_after_s if isinstance(error, UnavailableError) else problems.RETRY_AFTER_SECONDS
    return problems.unavailable("The API server", retry_after_s=retry_after_s).response()


async def _answer_no_store(_: Request, error: Exception) -> Response:
    _LOG.warning("the store did not do what it was asked", extra={"error": str(error)})
    return problems.unavailable("The store").response()
