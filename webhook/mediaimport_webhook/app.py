"""Wiring of the webhook: its parts, and the path of each route."""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, TextIO

from mediaimport_runtime.kubernetes.errors import UnavailableError
from mediaimport_runtime.logs import Lines
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from mediaimport_webhook.access.authenticator import authenticator_of, has_valid_token
from mediaimport_webhook.access.rate_limit import AddressLimit, RateLimiter, bucket_of, client_address
from mediaimport_webhook.catalogue import AssetLookup, Catalogue, Listing, Presenter, Reflector
from mediaimport_webhook.deliveries import DeliveryLog
from mediaimport_webhook.endpoints import Endpoints
from mediaimport_webhook.gallery.routes import Gallery
from mediaimport_webhook.gallery.sign_in import SignIn
from mediaimport_webhook.generation.ends import Ends, RemovalRecorder
from mediaimport_webhook.generation.idempotency import IdempotencyKeys
from mediaimport_webhook.generation.intake import Intake
from mediaimport_webhook.generation.jobs import Jobs
from mediaimport_webhook.generation.large import LargeCallbacks
from mediaimport_webhook.generation.owner import OwnerTokens
from mediaimport_webhook.generation.providers import Provider, UnconfiguredProvider
from mediaimport_webhook.generation.providers.replicate import Replicate
from mediaimport_webhook.generation.records import Records
from mediaimport_webhook.generation.states import PredictionStates
from mediaimport_webhook.http import openapi, problems, request_id
from mediaimport_webhook.http.limits import Limits, RequestLimits
from mediaimport_webhook.http.middleware import access_log
from mediaimport_webhook.http.middleware.cors import Cors
from mediaimport_webhook.http.middleware.draining import CloseWhileDraining
from mediaimport_webhook.http.middleware.internal_errors import InternalErrors
from mediaimport_webhook.http.middleware.request_id import RequestId
from mediaimport_webhook.http.routing import route
from mediaimport_webhook.imports.create import Imports
from mediaimport_webhook.imports.delete import Deletions
from mediaimport_webhook.imports.edit import Edits
from mediaimport_webhook.imports.quota import Quota
from mediaimport_webhook.metrics import Metrics
from mediaimport_webhook.routes import (
    edits,
    events,
    generation,
    health,
    imports,
    media,
    operations,
    takedowns,
    uploads,
    usage,
    webhooks,
)
from mediaimport_webhook.routes.waiting import WaitLimiter
from mediaimport_webhook.store import IncomingStore, OverlayStore, SidecarReader, StoreUnavailableError, UrlSigner
from mediaimport_webhook.store.incoming import Incoming
from mediaimport_webhook.store.overlays import Overlays
from mediaimport_webhook.uploads import Uploads
from mediaimport_webhook.viewer.routes import Viewer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import httpx
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route
    from starlette.types import Scope

    from mediaimport_webhook.access.authenticator import Authenticator
    from mediaimport_webhook.catalogue import Archive
    from mediaimport_webhook.catalogue.database import RecordedMarks, Recorder, UnseenEnds
    from mediaimport_webhook.catalogue.entry import Entry
    from mediaimport_webhook.cluster import Cluster
    from mediaimport_webhook.settings import CatalogueUrl, Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Database:
    """The catalogue's database: what reads it, and what writes it."""

    archive: Archive
    recorder: Recorder
    unseen_ends: Callable[[SidecarReader], UnseenEnds]
    recorded_marks: Callable[[Cluster], RecordedMarks]


@asynccontextmanager
async def open_database(source: CatalogueUrl | None) -> AsyncIterator[Database | None]:
    """Open the catalogue's database, if there is one. It is not asked before it is needed; DatabaseUnavailableError."""
    if source is None:
        yield None
        return
    # SQLAlchemy takes 20 MB, so only a webhook with a database loads it.
    from mediaimport_webhook.catalogue.database import (  # noqa: PLC0415 - see above
        CurrentArchive,
        DatabaseArchive,
        RecordedMarks,
        Recorder,
        UnseenEnds,
        opened,
    )

    async with opened(source) as engine:
        recorder = Recorder(engine)
        archive = CurrentArchive(DatabaseArchive(engine), recorder.pending)
        unseen_ends, marks = partial(UnseenEnds, engine, recorder.pending), partial(RecordedMarks, engine)
        yield Database(archive, recorder, unseen_ends, marks)


@dataclass(frozen=True)
class Dependencies:
    """Everything external that the webhook uses."""

    cluster: Cluster
    signer: UrlSigner
    sidecars: SidecarReader
    http: httpx.AsyncClient
    metrics: Metrics = field(default_factory=Metrics)
    access_log: TextIO = field(default_factory=lambda: sys.stderr)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server begins to drain; event streams then end."""
    limits: Limits = field(default_factory=Limits)
    incoming: IncomingStore | None = None
    """None: the store of the settings."""
    overlays: OverlayStore | None = None
    """None: the store of the settings."""
    database: Database | None = None
    """Of the catalogue; None for none."""


def build(settings: Settings, dependencies: Dependencies) -> Starlette:
    """Return the application; BadSettingError if the tokens file, the models file or a webhook secret is wrong."""
    records = Records(dependencies.cluster)
    removals = RemovalRecorder(Ends(records))
    database, tasks = dependencies.database, [removals.run, records.keep_clean]
    marks: RecordedMarks | None = None
    if database is None:
        catalogue = Catalogue(removals.note)
        reflector = Reflector(dependencies.cluster, catalogue)
    else:
        marks = database.recorded_marks(dependencies.cluster)
        followers = (database.recorder, marks)
        catalogue = Catalogue(
            removals.note,
            on_changed=_each(*(follower.note for follower in followers)),
            on_gone=_each(*(follower.note_gone for follower in followers)),
            is_recorded=database.recorder.is_recorded,
        )
        database.recorder.on_written = catalogue.release
        reflector = Reflector(dependencies.cluster, catalogue, learn=database.recorder.learn)
    _observe_database(dependencies.metrics, None if database is None else database.recorder, marks)
    if database is not None and marks is not None:
        unseen_ends = database.unseen_ends(dependencies.sidecars)
        sweeps = (database.recorder.keep_swept, unseen_ends.keep_swept)
        tasks += [database.recorder.run, marks.run, *(partial(each, catalogue, reflector.synced) for each in sweeps)]
    _observe_cache(dependencies.metrics, reflector, catalogue)
    authenticator = authenticator_of(settings, dependencies.http, dependencies.metrics)
    app = Starlette(
        routes=_routes(settings, dependencies, catalogue, reflector, authenticator),
        middleware=_middleware(settings, dependencies, authenticator),
        exception_handlers={
            problems.Problem: problems.problem_response,
            HTTPException: problems.http_error_response,
            UnavailableError: _cluster_unavailable,
            StoreUnavailableError: _store_unavailable,
            Exception: problems.internal_error_response,
        },
        lifespan=lambda _: _running(reflector.run, *tasks),
    )
    app.router.redirect_slashes = False
    return app


def _routes(
    settings: Settings,
    dependencies: Dependencies,
    catalogue: Catalogue,
    reflector: Reflector,
    authenticator: Authenticator,
) -> list[Route]:
    cluster, sidecars, metrics = dependencies.cluster, dependencies.sidecars, dependencies.metrics
    presenter = Presenter(dependencies.signer)
    archive = None if dependencies.database is None else dependencies.database.archive
    listing = Listing(catalogue, archive)
    lookup = AssetLookup(catalogue, cluster, sidecars, archive=archive)
    incoming = dependencies.incoming or Incoming(settings.store, upload_lifetime_s=settings.presign_seconds)
    waits = WaitLimiter(settings.event_streams_per_user)
    creation, tokens = Imports(cluster, catalogue, sidecars), OwnerTokens(settings.owner_token_keys)
    deletions = Deletions(cluster, listing, sidecars, settings.namespace)
    media_routes = media.MediaRoutes(
        authenticator=authenticator,
        imports=creation,
        deletions=deletions,
        catalogue=catalogue,
        listing=listing,
        lookup=lookup,
        presenter=presenter,
        reflector=reflector,
        metrics=metrics,
        stopping=dependencies.stopping,
        waits=waits,
    )
    overlays = dependencies.overlays or Overlays(settings.store)
    edit_routes = edits.EditRoutes(
        authenticator, lookup, Edits(cluster, catalogue, sidecars, overlays, archive), presenter
    )
    quota = Quota(settings.quota_bytes_per_user or None, listing)
    import_routes = imports.ImportRoutes(authenticator, settings.sources, creation, quota, metrics)
    event_routes = events.EventRoutes(
        authenticator=authenticator,
        listing=listing,
        lookup=lookup,
        presenter=presenter,
        stopping=dependencies.stopping,
        metrics=metrics,
        limiter=waits,
    )
    replicate, records = Replicate(settings, dependencies.http), Records(cluster)
    intake = Intake(
        cluster=cluster,
        imports=creation,
        incoming=incoming,
        tokens=tokens,
        records=records,
        default_user_id=settings.default_user_id,
        input_provenance=settings.input_provenance,
        tells_failures=settings.tells_failures,
    )
    large = LargeCallbacks(limit_bytes=settings.large_callback_max_bytes)
    callback_routes = [
        generation.CallbackRoute(each, intake, large, quota, metrics)
        for each in (replicate, _fal(settings, dependencies.http))
    ]
    generation_routes = generation.GenerationRoutes(
        generator=replicate,
        authenticator=authenticator,
        public_base_url=settings.public_base_url,
        tokens=tokens,
        keys=IdempotencyKeys(records, replicate, tokens),
        jobs=Jobs(replicate.name, PredictionStates(replicate), tokens, Ends(records), listing, cluster),
        quota=quota,
        presenter=presenter,
    )
    takedown_routes = takedowns.TakedownRoutes(authenticator, reflector, listing, deletions)
    usage_routes = usage.UsageRoutes(authenticator, listing, reflector, quota.bytes_per_user)
    operations_routes = operations.OperationsRoutes(authenticator, listing, reflector, settings.namespace)
    health_routes = health.HealthRoutes(reflector, catalogue)
    upload_routes = uploads.UploadRoutes(
        authenticator, Uploads(records, incoming, creation, lookup, quota, settings.max_size_bytes), metrics
    )
    webhook_routes = webhooks.WebhookRoutes(
        authenticator,
        Endpoints(records, settings.endpoint_keys, settings.endpoint_policy),
        DeliveryLog(catalogue, records),
    )
    return [
        route("/api/v1/media/import-from-url", POST=import_routes.import_from_url),
        route("/api/v1/media/import-from-urls", POST=import_routes.import_from_urls),
        route("/api/v1/media/uploads", POST=upload_routes.begin),
        route("/api/v1/media/uploads/{id}/complete", POST=upload_routes.complete),
        route("/api/v1/media/{id}", GET=media_routes.show, PATCH=edit_routes.edit, DELETE=media_routes.delete),
        route("/api/v1/media/", GET=media_routes.list_assets),
        route(
            "/api/v1/users/{user}/media/{id}",
            GET=media_routes.show,
            PATCH=edit_routes.edit,
            DELETE=media_routes.delete,
        ),
        route("/api/v1/media/{id}/retry", POST=media_routes.retry),
        route("/api/v1/media/{id}/events", GET=event_routes.follow),
        route("/api/v1/events", GET=event_routes.follow_all),
        *(route(generation.callback_path(each.provider), POST=each.receive) for each in callback_routes),
        route("/api/v1/replicate/predictions/{id}", GET=generation_routes.show),
        route("/api/v1/replicate/{alias}", POST=generation_routes.generate),
        route("/api/v1/predictions/{job_id}/media", DELETE=takedown_routes.delete_assets),
        route("/api/v1/models", GET=generation_routes.models),
        route("/api/v1/usage", GET=usage_routes.show),
        route("/api/v1/operations", GET=operations_routes.show),
        route("/api/v1/webhooks", GET=webhook_routes.list_all, POST=webhook_routes.create),
        route("/api/v1/webhooks/{id}", GET=webhook_routes.show, DELETE=webhook_routes.delete),
        route("/api/v1/webhooks/{id}/rotate-key", POST=webhook_routes.rotate_key),
        route("/api/v1/webhooks/{id}/test", POST=webhook_routes.test),
        route("/api/v1/webhooks/{id}/replay", POST=webhook_routes.replay),
        route("/api/v1/webhooks/{id}/deliveries", GET=webhook_routes.deliveries),
        route("/api/v1/stats", GET=media_routes.stats),
        route("/healthz", GET=health_routes.alive),
        route("/readyz", GET=health_routes.ready),
        route("/openapi.json", GET=openapi.OpenApiRoute().show),
        *Viewer(settings.api_viewer_folder).routes(),
        *Gallery(dependencies.signer, SignIn.of(settings.oidc, dependencies.http)).routes(),
    ]


def _observe_cache(metrics: Metrics, reflector: Reflector, catalogue: Catalogue) -> None:
    metrics.observe_cache(
        resources=lambda: len(catalogue),
        recovered_resources=lambda: catalogue.recovered,
        broken_resources=lambda: catalogue.broken,
        last_event_age_s=lambda: reflector.last_event_age_s or 0,
        stale=lambda: reflector.is_stale,
    )
    metrics.observe_entries(lambda: catalogue.entries)


def _each(*followers: Callable[[Entry], None]) -> Callable[[Entry], None]:
    """Return one function that calls all."""

    def call(entry: Entry) -> None:
        for follower in followers:
            follower(entry)

    return call


def _observe_database(metrics: Metrics, recorder: Recorder | None, marks: RecordedMarks | None) -> None:
    """Register the gauges, which are 0 without a database: an alert on them is then no alert on a missing metric."""
    metrics.observe_database(
        unrecorded=lambda: recorder.unrecorded if recorder else 0,
        failing=lambda: recorder.is_failing if recorder else 0,
        written=lambda: recorder.written if recorder else 0,
        refused=lambda: recorder.refused if recorder else 0,
        oldest_unmarked_s=lambda: marks.oldest_s(datetime.now(UTC)) if marks else 0,
    )


def _fal(settings: Settings, http: httpx.AsyncClient) -> Provider:
    if settings.fal_user_id is None:
        return UnconfiguredProvider("fal", setting="FAL_USER_ID")
    # cryptography takes 8 MB, so only a configured fal loads it.
    from mediaimport_webhook.generation.providers.fal import Fal  # noqa: PLC0415 - loaded only where fal.ai is configured

    return Fal(settings, http, user_id=settings.fal_user_id)


def _middleware(settings: Settings, dependencies: Dependencies, authenticator: Authenticator) -> list[Middleware]:
    """Return the middleware, the outermost first; `http/middleware` tells their order."""

    def sender(scope: Scope) -> str:
        return bucket_of(client_address(scope, settings.trusted_proxies))

    is_logged = settings.log_level in {"debug", "info"}
    lines = Lines(dependencies.access_log, access_log.__name__, "request") if is_logged else None
    middleware = [
        Middleware(RequestId),
        Middleware(CloseWhileDraining, stopping=dependencies.stopping),
        Middleware(access_log.AccessLog, metrics=dependencies.metrics, lines=lines),
    ]
    if settings.cors_origins:
        middleware.append(
            Middleware(
                Cors,
                allow_origins=list(settings.cors_origins),
                allow_methods=["GET", "POST", "PATCH", "DELETE"],
                expose_headers=["Age", "ETag", "Location", "Retry-After", request_id.HEADER],
                allow_headers=[
                    "Authorization",
                    "Content-Type",
                    "Idempotency-Key",
                    "If-Match",
                    "If-None-Match",
                    "Last-Event-ID",
                    request_id.HEADER,
                ],
            )
        )
    if settings.unauthenticated_rate_limit_per_second > 0:
        limit = Middleware(
            AddressLimit,
            limiter=RateLimiter(settings.unauthenticated_rate_limit_per_second),
            address_of=sender,
            metrics=dependencies.metrics,
            has_valid_token=partial(has_valid_token, authenticator),
        )
        middleware.append(limit)
    return [
        *middleware,
        Middleware(RequestLimits, limits=dependencies.limits, address_of=sender),
        Middleware(InternalErrors),
    ]


@asynccontextmanager
async def _running(*tasks: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Run the tasks as long as the application."""
    running = [asyncio.ensure_future(each()) for each in tasks]
    try:
        yield
    finally:
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _cluster_unavailable(_: Request, error: Exception) -> Response:
    log.warning("a request to the API server failed", extra={"error": str(error)})
    retry_after_s = error.retry_after_s if isinstance(error, UnavailableError) else problems.RETRY_AFTER_S
    return problems.unavailable("The API server", retry_after_s=retry_after_s).response()


async def _store_unavailable(_: Request, error: Exception) -> Response:
    log.warning("a request to the store failed", extra={"error": str(error)})
    return problems.unavailable("The store").response()
