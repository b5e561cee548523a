"""Webhook that runs whole in one event loop, with fakes for what is external."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
from mediaimport_api.names import AssetKeys
from mediaimport_api.overlay import Overlay, read_overlay
from mediaimport_api.sidecar import Owner, Provenance, Sidecar, Tombstone, source_fingerprint
from mediaimport_api.status import Asset, Kind, Media, Thumbnail, VideoMedia
from mediaimport_runtime.environment import Environment
from mediaimport_webhook.app import Dependencies, build, open_database
from mediaimport_webhook.catalogue.database import opened
from mediaimport_webhook.catalogue.database.migration import migrate
from mediaimport_webhook.settings import CatalogueUrl, Settings
from mediaimport_webhook.store import OverlayChangedError, SignedUpload, SignedUrl, StoredOverlay, StoreUnavailableError

from tests.support.openapi import breach
from tests.support.webhook_cluster import FakeCluster

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Mapping

    from mediaimport_webhook.store import Waiting


Make = Callable[..., dict[str, Any]]
Start = Callable[..., "RunningWebhook"]
Result = TypeVar("Result")
_END_S = 60

ASSET_ID = "0d5d4b1e-98a7-5f3c-8a57-1a1c7a2c9b54"
OWNER_KEY = "owner-key-0123456789-0123456789-0123456789"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ALICE, BOB, ROOT = "alice-token-0123456789", "bob-token-0123456789", "root-token-0123456789"
MODELS = {
    "wan-video-t2v": {
        "model": "wan-video/wan-2.5-t2v",
        "input": {
            "prompt": {"type": "string", "required": True, "maxLength": 100},
            "size": {"type": "string", "values": {"480p": "832*480", "720p": "1280*720"}, "default": "720p"},
            "duration": {"type": "string", "values": {"5s": 5, "10s": 10}, "default": "5s"},
            "seed": {"type": "integer", "minimum": 0},
        },
        "fixed": {"enable_prompt_expansion": True},
    }
}


class FakeSigner:
    """Signs legibly, each time anew."""

    def signed_before(self, *_: object, **__: object) -> None:
        pass

    async def url(self, key: str, *, download_name: str = "") -> SignedUrl:
        return SignedUrl(f"https://cdn.test/{key}?signed={download_name}", datetime(2026, 1, 1, 1, tzinfo=UTC))


@dataclass
class FakeOverlays:
    """Overlays by key, with their ETags."""

    held: dict[str, StoredOverlay] = field(default_factory=dict)
    writes: int = 0
    down: bool = False
    before_write: Callable[[], None] = lambda: None

    async def read(self, keys: AssetKeys) -> StoredOverlay:
        if self.down:
            raise StoreUnavailableError
        return self.held.get(keys.overlay, StoredOverlay(None, ""))

    async def write(self, keys: AssetKeys, overlay: Overlay, *, replaces: StoredOverlay) -> None:
        self.before_write()
        if await self.read(keys) != replaces:
            raise OverlayChangedError
        self.put(keys, overlay)

    async def clear(self, keys: AssetKeys) -> None:
        self.put(keys, None)

    def put(self, keys: AssetKeys, overlay: Overlay | None) -> None:
        """Store it, as somebody else would."""
        self.writes += 1
        # As the store would have it: JSON in UTF-8.
        body = None if overlay is None else json.dumps(overlay.to_wire(), ensure_ascii=False).encode()
        self.held[keys.overlay] = StoredOverlay(None if body is None else read_overlay(body), f'"{self.writes}"')


@dataclass
class FakeSidecars:
    """Sidecars by key."""

    held: dict[str, Sidecar | Tombstone] = field(default_factory=dict)
    down: bool = False
    reads: list[str] = field(default_factory=list)
    overlays: FakeOverlays = field(default_factory=FakeOverlays)

    async def overlay(self, keys: AssetKeys) -> Overlay | None:
        return (await self.overlays.read(keys)).overlay

    async def read(self, keys: AssetKeys) -> Sidecar | Tombstone | None:
        self.reads.append(keys.sidecar)
        if self.down:
            raise StoreUnavailableError
        return self.held.get(keys.sidecar)


@dataclass
class FakeIncoming:
    """Objects that wait in the store, by key."""

    held: dict[str, bytes] = field(default_factory=dict)
    down: bool = False
    is_write_only: bool = False
    """True for keys that may not read."""
    largest_piece: int = 0
    writes: list[str] = field(default_factory=list)

    async def put(self, key: str, content: Waiting) -> None:
        if self.down:
            raise StoreUnavailableError
        pieces = list(content.pieces())
        self.largest_piece = max(map(len, pieces))
        self.writes.append(key)
        self.held[key] = b"".join(pieces)
        # As the store would have it.
        assert content.size_bytes == len(self.held[key])
        assert content.sha256 == hashlib.sha256(self.held[key]).hexdigest()

    async def exists(self, key: str) -> bool | None:
        if self.down:
            raise StoreUnavailableError
        return None if self.is_write_only else key in self.held

    async def sign_upload(self, key: str, *, content_type: str, size_bytes: int, sha256: str | None) -> SignedUpload:
        if self.down:
            raise StoreUnavailableError
        query = f"size={size_bytes}&sha256={sha256 or ''}"
        url = SignedUrl(f"https://store.test/{key}?{query}", datetime(2026, 1, 1, 1, tzinfo=UTC))
        return SignedUpload(url, {"Content-Type": content_type})


@dataclass
class FakeReplicate:
    """Replicate's API; `answers` overrules what a path says."""

    requests: list[httpx.Request] = field(default_factory=list)
    answers: dict[str, httpx.Response] = field(default_factory=dict)
    predictions: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The predictions that were created, with the webhook that they were given."""
    before_answer: Callable[[], None] = lambda: None

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.before_answer()
        path = request.url.path
        if path in self.answers:
            return self.answers[path]
        if path == "/v1/webhooks/default/secret":
            return httpx.Response(200, json={"key": SECRET})
        if request.method == "POST":
            return self._create(json.loads(request.content))
        if path == "/v1/predictions":
            return httpx.Response(200, json={"results": list(reversed(self.predictions.values())), "next": None})
        shown = self.predictions.get(path.rpartition("/")[2])
        return httpx.Response(404, json={"detail": "none"}) if shown is None else httpx.Response(200, json=shown)

    def callback_path(self, prediction: str = "pred1") -> str:
        """Return path and query of the webhook that a prediction was given."""
        url = httpx.URL(self.predictions[prediction]["webhook"])
        return url.raw_path.decode()

    def count(self, path: str) -> int:
        """Return the number of requests for a path."""
        return sum(each.url.path == path for each in self.requests)

    def _create(self, body: dict[str, Any]) -> httpx.Response:
        id_ = f"pred{len(self.predictions) + 1}"
        prediction: dict[str, Any] = {
            "id": id_,
            "status": "starting",
            "model": "wan-video/wan-2.5-t2v",
            "webhook": body.get("webhook"),
            "created_at": datetime.now(UTC).isoformat(),
        }
        self.predictions[id_] = prediction
        return httpx.Response(201, json=prediction)


async def migrated(url: str) -> None:
    """Bring a catalogue's database to this release's schema."""
    async with opened(CatalogueUrl(url, None)) as engine:
        await migrate(engine)


class RunningWebhook:
    """Webhook with its fakes, driven from synchronous tests."""

    def __init__(self, variables: Mapping[str, str], *, replica_of: RunningWebhook | None = None) -> None:
        """Start it; a replica has the same cluster, store and generator, and runs in the same event loop."""
        first = replica_of
        self.cluster: FakeCluster = FakeCluster() if first is None else first.cluster
        self.sidecars: FakeSidecars = FakeSidecars() if first is None else first.sidecars
        self.incoming: FakeIncoming = FakeIncoming() if first is None else first.incoming
        self.replicate: FakeReplicate = FakeReplicate() if first is None else first.replicate
        self._runner: asyncio.Runner = asyncio.Runner() if first is None else first._runner
        self._has_own_runner = first is None
        http = httpx.AsyncClient(transport=httpx.MockTransport(self.replicate))
        self.access_log = io.StringIO()
        settings = Settings.read(Environment(variables))
        self._database = open_database(settings.catalogue_url)
        self.database = self.run(self._database.__aenter__())
        dependencies = Dependencies(
            self.cluster,
            FakeSigner(),
            self.sidecars,
            http,
            access_log=self.access_log,
            incoming=self.incoming,
            overlays=self.sidecars.overlays,
            database=self.database,
        )
        self.metrics = dependencies.metrics
        self.stopping = dependencies.stopping
        self.app = build(settings, dependencies)
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://webhook.test")
        self._life = self.app.router.lifespan_context(self.app)
        self.run(self._life.__aenter__())
        self.until(lambda: self.call("GET", "/readyz").status_code == 200)

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine in the webhook's event loop."""
        return self._runner.run(work)

    def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = ALICE,
        headers: Mapping[str, Any] | None = None,
        **arguments: Any,  # noqa: ANN401 - httpx's own
    ) -> httpx.Response:
        """Send a request, and hold the response to the OpenAPI document."""
        bearer = {} if token is None else {"Authorization": f"Bearer {token}"}
        return self.run(self.send(method, path, headers={**bearer, **(headers or {})}, **arguments))

    async def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, Any],
        **arguments: Any,  # noqa: ANN401 - httpx's own
    ) -> httpx.Response:
        """Send a request within the event loop, next to others."""
        response = await self._client.request(method, path, headers=headers, **arguments)
        assert breach(response) is None
        return response

    def until(self, holds: Callable[[], bool]) -> None:
        """Let the webhook's tasks run until the condition holds."""
        deadline = time.monotonic() + 60
        while not holds():
            assert time.monotonic() < deadline, "the condition never came to hold"
            self.run(asyncio.sleep(0.001))

    def callback(
        self, body: object, *, secret: str = SECRET, sent: int | None = None, path: str = "/api/v1/replicate/webhook"
    ) -> httpx.Response:
        """Send a callback as Replicate does."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = signed(content, secret=secret, sent=sent)
        return self.call("POST", path, token=None, content=content, headers=headers)

    def sample(self, name: str, **labels: str) -> float | None:
        """Return a metric's value."""
        return self.metrics.registry.get_sample_value(name, labels)

    def specs(self) -> list[dict[str, Any]]:
        """Return the specs of all imports."""
        return [each["spec"] for each in self.cluster.imports.values()]

    def close(self) -> None:
        self.run(_ended(self._life.__aexit__(None, None, None)))
        self.run(self._database.__aexit__(None, None, None))
        self.run(self._client.aclose())
        if self._has_own_runner:
            self._runner.close()


async def _ended(closing: Awaitable[object]) -> None:
    """Wait for it; AssertionError with the stacks of the tasks if one of them does not end."""
    ending = asyncio.ensure_future(closing)
    await asyncio.wait({ending}, timeout=_END_S)
    if not ending.done():
        told = io.StringIO()
        for each in asyncio.all_tasks():
            each.print_stack(file=told)
        raise AssertionError(f"the webhook did not end within {_END_S} s:\n{told.getvalue()}")
    await ending


def signed(body: bytes, *, secret: str = SECRET, sent: int | None = None) -> dict[str, str]:
    """Return the three headers, by the scheme's own arithmetic and not by the library that the webhook uses."""
    moment = int(time.time()) if sent is None else sent
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"msg_1.{moment}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(mac).decode()}"
    return {"webhook-id": "msg_1", "webhook-timestamp": str(moment), "webhook-signature": signature}


def stored(user: str) -> dict[str, Any]:
    """Return asset, media and thumbnail of a stored video."""
    keys = AssetKeys(user, ASSET_ID)
    media = Media(
        format_name="mov,mp4",
        duration_ms=5042,
        bit_rate_bps=800_000,
        width=1280,
        height=720,
        video=VideoMedia(codec_name="h264", avg_frame_rate="24000/1001"),
    )
    return {
        "asset": Asset(
            id=ASSET_ID,
            sha256="0" * 64,
            size_bytes=10,
            content_type="video/mp4",
            kind=Kind.VIDEO,
            bucket="media",
            key=keys.original(kind="video", extension="mp4"),
        ),
        "media": media,
        "thumbnail": Thumbnail(key=keys.thumbnail, content_type="image/jpeg", width=320, height=180, size_bytes=5),
    }


def sidecar_of(user: str) -> Sidecar:
    """Return the sidecar of that video."""
    return Sidecar(
        owner=Owner(namespace="media", name="gone", uid="u1"),
        source_fingerprint=source_fingerprint("https://example.com/video.mp4"),
        imported_at=datetime(2026, 1, 1, tzinfo=UTC),
        provenance=Provenance(user_id=user, name="kept.mp4", tags=["old"], metadata={"scene": 4, "width": "mine"}),
        ffprobe={},
        **stored(user),
    )
