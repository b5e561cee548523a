"""A shim that runs whole, in one event loop, on fakes of what is outside."""

from __future__ import annotations

import asyncio
import base64
import copy
import hashlib
import hmac
import io
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import httpx
import pytest
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.kubernetes.client import Change, Page
from mediaimport_runtime.kubernetes.errors import (
    AlreadyExistsError,
    ConflictError,
    ExpiredError,
    InvalidError,
    UnavailableError,
)
from mediaimport_webhook.app import Outside, build
from mediaimport_webhook.settings import Settings
from mediaimport_webhook.store.presign import SignedUrl, StoreUnavailableError

from tests.unit.webhook.conformance import breach

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
    from pathlib import Path

    from mediaimport_api.names import AssetKeys
    from mediaimport_api.sidecar import Sidecar, Tombstone
    from mediaimport_webhook.cluster import Resource

    Make = Callable[..., dict[str, Any]]
    Start = Callable[..., "Shim"]

Result = TypeVar("Result")

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


class FakeCluster:
    """One namespace in memory, with versions, a watch and ways to fail."""

    def __init__(self) -> None:
        self.version = 100
        self.imports: dict[str, Resource] = {}
        self.records: dict[str, Resource] = {}
        self.events: list[tuple[str, str]] = []
        self.calls: list[str] = []
        self.down = False
        self.refusal: str | None = None
        self.delete_refusal: str | None = None
        self.interruptions = 0
        self.history: list[Change] = []
        self.oldest = 0
        self.page_size = 1000
        self._changed = asyncio.Condition()

    async def create_import(self, manifest: Resource) -> Resource:
        self._called("create_import")
        name = manifest["metadata"]["name"]
        if self.refusal is not None:
            raise InvalidError(self.refusal)
        if name in self.imports:
            raise AlreadyExistsError
        moment = f"2026-01-01T00:00:{len(self.imports) % 60:02d}Z"
        about = manifest["metadata"] | {"uid": str(uuid4()), "creationTimestamp": moment}
        return await self.write(manifest | {"metadata": about})

    async def write(self, resource: Resource) -> Resource:
        """Store a resource as somebody else would, and tell the watches."""
        name = resource["metadata"]["name"]
        self.version += 1
        stored = copy.deepcopy(resource)
        stored["metadata"]["resourceVersion"] = str(self.version)
        kind = "MODIFIED" if name in self.imports else "ADDED"
        self.imports[name] = stored
        await self._note(Change(kind, stored))
        return copy.deepcopy(stored)

    async def remove(self, name: str) -> None:
        """Delete a resource as somebody else would."""
        self.version += 1
        gone = copy.deepcopy(self.imports.pop(name))
        gone["metadata"]["resourceVersion"] = str(self.version)
        await self._note(Change("DELETED", gone))

    async def cut(self) -> None:
        """Forget all history: every watch must list again."""
        self.oldest = self.version + 1
        self.version += 1
        async with self._changed:
            self._changed.notify_all()

    async def get_import(self, name: str) -> Resource | None:
        self._called("get_import")
        return copy.deepcopy(self.imports.get(name))

    async def patch_import(self, name: str, patch: Resource) -> Resource | None:
        self._called("patch_import")
        if name not in self.imports:
            return None
        resource = copy.deepcopy(self.imports[name])
        about = patch.get("metadata", {})
        if (
            about.get("resourceVersion", resource["metadata"]["resourceVersion"])
            != resource["metadata"]["resourceVersion"]
        ):
            raise ConflictError
        if self.delete_refusal is not None and patch["spec"].get("deletionPolicy") == "Delete":
            raise InvalidError(self.delete_refusal)
        resource["metadata"] |= about
        resource["spec"] |= patch["spec"]
        return await self.write(resource)

    async def delete_import(self, name: str, *, version: str) -> Resource | None:
        self._called("delete_import")
        resource = copy.deepcopy(self.imports[name])
        if self.interruptions:
            self.interruptions -= 1
            await self.write(resource)
        if self.imports[name]["metadata"]["resourceVersion"] != version:
            raise ConflictError
        if not resource["metadata"].get("finalizers"):
            await self.remove(name)
            return None
        resource["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        return await self.write(resource)

    async def list_imports(self, *, limit: int, after: str = "", labels: Mapping[str, str] | None = None) -> Page:
        self._called("list_imports" if labels is None else "find_imports")
        found = [
            copy.deepcopy(each)
            for each in self.imports.values()
            if (labels or {}).items() <= each["metadata"].get("labels", {}).items()
        ]
        start, size = int(after or 0), min(limit, self.page_size)
        rest = str(start + size) if start + size < len(found) else ""
        return Page(found[start : start + size], str(self.version), rest)

    async def watch_imports(self, version: str) -> AsyncIterator[Change]:
        self._called("watch_imports")
        place = int(version)
        while True:
            async with self._changed:
                while self.version <= place and not self.down:
                    await self._changed.wait()
            if self.down:
                raise UnavailableError("down")
            if place < self.oldest:
                raise ExpiredError
            for change in [each for each in self.history if int(each.resource["metadata"]["resourceVersion"]) > place]:
                yield copy.deepcopy(change)
            place = self.version

    async def create_record(self, manifest: Resource) -> None:
        self._called("create_record")
        if manifest["metadata"]["name"] in self.records:
            raise AlreadyExistsError
        self.records[manifest["metadata"]["name"]] = manifest

    async def get_record(self, name: str) -> Resource | None:
        self._called("get_record")
        return self.records.get(name)

    async def list_record_names(self, selector: str) -> Sequence[str]:
        self._called("list_record_names")
        kept = selector.partition("notin (")[2].rstrip(")").split(",")
        day = "mediaimport.dev/record-day"
        return [name for name, each in self.records.items() if each["metadata"]["labels"][day] not in kept]

    async def delete_record(self, name: str) -> None:
        self._called("delete_record")
        self.records.pop(name, None)

    async def post_event(self, *, reason: str, message: str) -> None:
        self._called("tell")
        self.events.append((reason, message))

    def _called(self, method: str) -> None:
        self.calls.append(method)
        if self.down:
            raise UnavailableError("down", retry_after_s=7)

    async def _note(self, change: Change) -> None:
        self.history.append(change)
        async with self._changed:
            self._changed.notify_all()


class FakeSigner:
    """Signs legibly."""

    async def url(self, key: str, *, download_name: str = "") -> SignedUrl:
        return SignedUrl(f"https://cdn.test/{key}?signed={download_name}", datetime(2026, 1, 1, 1, tzinfo=UTC))


@dataclass
class FakeSidecars:
    """Sidecars by key."""

    held: dict[str, Sidecar | Tombstone] = field(default_factory=dict)
    down: bool = False
    reads: list[str] = field(default_factory=list)

    async def read(self, keys: AssetKeys) -> Sidecar | Tombstone | None:
        self.reads.append(keys.sidecar)
        if self.down:
            raise StoreUnavailableError
        return self.held.get(keys.sidecar)


@dataclass
class FakeReplicate:
    """Replicate's API; `answers` overrules what a path says."""

    requests: list[httpx.Request] = field(default_factory=list)
    answers: dict[str, httpx.Response] = field(default_factory=dict)
    before_answer: Callable[[], None] = lambda: None

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.before_answer()
        if request.url.path in self.answers:
            return self.answers[request.url.path]
        if request.url.path == "/v1/webhooks/default/secret":
            return httpx.Response(200, json={"key": SECRET})
        return httpx.Response(201, json={"id": "pred1", "status": "starting", "model": "wan-video/wan-2.5-t2v"})


class Shim:
    """The running shim and all that is around it."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.cluster = FakeCluster()
        self.sidecars = FakeSidecars()
        self.replicate = FakeReplicate()
        self._runner = asyncio.Runner()
        http = httpx.AsyncClient(transport=httpx.MockTransport(self.replicate))
        self.access_log = io.StringIO()
        outside = Outside(self.cluster, FakeSigner(), self.sidecars, http, access_log=self.access_log)
        self.metrics = outside.metrics
        self.app = build(Settings.read(Environment(variables)), outside)
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://shim.test")
        self._life = self.app.router.lifespan_context(self.app)
        self.run(self._life.__aenter__())
        self.until(lambda: self.call("GET", "/readyz").status_code == 200)

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine in the shim's own event loop."""
        return self._runner.run(work)

    def call(self, method: str, path: str, *, token: str | None = ALICE, **arguments: object) -> httpx.Response:
        """Ask the shim, and hold its answer to the OpenAPI document."""
        bearer = {} if token is None else {"Authorization": f"Bearer {token}"}
        headers = bearer | arguments.pop("headers", {})
        answer = self.run(self._client.request(method, path, headers=headers, **arguments))
        assert breach(answer) is None
        return answer

    def until(self, holds: Callable[[], bool]) -> None:
        """Let the shim's own tasks run until that holds."""
        deadline = time.monotonic() + 5
        while not holds():
            assert time.monotonic() < deadline, "it never came to hold"
            self.run(asyncio.sleep(0.001))

    def webhook(self, body: object, **signing: object) -> httpx.Response:
        """Call back as Replicate does."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = signed(content, **signing)
        return self.call("POST", "/api/v1/replicate/webhook", token=None, content=content, headers=headers)

    def sample(self, name: str, **labels: str) -> float | None:
        """Return a metric's value."""
        return self.metrics.registry.get_sample_value(name, labels)

    def specs(self) -> list[dict[str, Any]]:
        """Return the specs of all imports there are."""
        return [each["spec"] for each in self.cluster.imports.values()]

    def close(self) -> None:
        self.run(self._life.__aexit__(None, None, None))
        self.run(self._client.aclose())
        self._runner.close()


def signed(body: bytes, *, secret: str = SECRET, sent: int | None = None) -> dict[str, str]:
    """Return the three headers, by the scheme's own arithmetic and not by the library that the shim uses."""
    moment = int(time.time()) if sent is None else sent
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"msg_1.{moment}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(mac).decode()}"
    return {"webhook-id": "msg_1", "webhook-timestamp": str(moment), "webhook-signature": signature}


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    tokens, models = tmp_path / "tokens.json", tmp_path / "models.json"
    grants = [
        {"token": ALICE, "user": "alice"},
        {"sha256": hashlib.sha256(BOB.encode()).hexdigest(), "user": "bob"},
        {"token": ROOT, "user": "root", "role": "admin"},
    ]
    tokens.write_text(json.dumps(grants))
    models.write_text(json.dumps(MODELS))
    return {
        "NAMESPACE": "media",
        "S3_BUCKET_NAME": "media",
        "AUTH_TOKENS_FILE": str(tokens),
        "REPLICATE_API_TOKEN": "r8_token",
        "REPLICATE_WEBHOOK_SECRETS": SECRET,
        "REPLICATE_MODELS_FILE": str(models),
        "PUBLIC_BASE_URL": "https://media.test/",
    }


@pytest.fixture
def start(variables: dict[str, str]) -> Iterator[Start]:
    """Return a starter of shims; a variable set to None is left out."""
    running: list[Shim] = []

    def starter(**changes: str | None) -> Shim:
        chosen = {name: value for name, value in (variables | changes).items() if value is not None}
        running.append(Shim(chosen))
        return running[-1]

    yield starter
    for each in running:
        each.close()


@pytest.fixture
def shim(start: Start) -> Shim:
    return start()


@pytest.fixture
def prediction() -> Make:
    """Return a maker of prediction objects as Replicate sends them."""

    def make(**changes: object) -> dict[str, Any]:
        return {
            "id": "pred1",
            "model": "wan-video/wan-2.5-t2v",
            "version": "hidden",
            "status": "succeeded",
            "input": {"image": "https://user.test/own.png", "prompt": "a rabbit"},
            "output": "https://replicate.delivery/xezq/abc/output.mp4",
            "error": None,
            "logs": "",
            "created_at": "2026-01-01T00:00:00.000Z",
            "completed_at": "2026-01-01T00:01:00.123Z",
            "urls": {"get": "https://api.replicate.com/v1/predictions/pred1"},
        } | changes

    return make
