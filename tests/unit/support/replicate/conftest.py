from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.support.replicate.app import application
from tests.support.replicate.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from tests.support.replicate.service import Service

VIDEO = bytes(range(256)) * 40


@dataclass
class Clock:
    now: datetime

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, *, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Receiver:
    """Takes webhooks; answers with the given statuses in turn, then 200."""

    answers: list[int] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        status = self.answers.pop(0) if self.answers else 200
        return httpx.Response(status, headers={"location": "http://elsewhere/"} if status == 302 else {})


@dataclass
class World:
    """The stand-in with its clock, a receiver of its webhooks and a client with the token."""

    api: httpx.AsyncClient
    service: Service
    receiver: Receiver
    clock: Clock

    async def create(self, **body: object) -> dict[str, Any]:
        body.setdefault("input", {"prompt": "a rabbit"})
        response = await self.api.post("/v1/models/wan/video/predictions", json=body)
        assert response.status_code == 201, response.text
        return dict(response.json())

    async def settled(self, prediction_id: str) -> dict[str, Any]:
        """Return the prediction after everything that it set off has happened."""
        while self.service._tasks:
            await asyncio.wait(self.service._tasks)
            await asyncio.sleep(0)  # lets them leave the set
        return dict((await self.api.get(f"/v1/predictions/{prediction_id}")).json())


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[World]]]:
    media_file = tmp_path / "video.mp4"
    media_file.write_bytes(VIDEO)
    opened: list[World] = []
    defaults = Settings(
        public_url="http://replicate.test", media_file=media_file, predict_s=0, webhook_waits_s=(0, 0, 0)
    )

    async def begin(**settings: object) -> World:
        # The real one: a Standard Webhooks receiver compares the timestamp with its own clock.
        clock, receiver = Clock(datetime.now(UTC)), Receiver()
        outgoing = httpx.AsyncClient(transport=httpx.MockTransport(receiver))
        chosen = replace(defaults, **settings)  # type: ignore[arg-type]
        app = application(chosen, client=outgoing, clock=clock)
        token = {"authorization": f"Bearer {defaults.api_token}"}
        transport = httpx.ASGITransport(app)
        api = httpx.AsyncClient(transport=transport, base_url="http://replicate.test", headers=token)
        opened.append(World(api, app.state.service, receiver, clock))
        return opened[-1]

    yield begin
    for world in opened:
        await world.service.close()
        await world.service.courier.client.aclose()
        await world.api.aclose()
