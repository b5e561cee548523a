from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from mediaimport_webhook.access.authenticator import AnonymousAuthenticator
from mediaimport_webhook.catalogue.entry import Entry, Presenter, entry_of
from mediaimport_webhook.catalogue.index import Catalogue
from mediaimport_webhook.metrics import Metrics
from mediaimport_webhook.routes.events import EventRoutes
from starlette.requests import Request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mediaimport_webhook.access import Caller

ID = "0d5d4b1e-98a7-5f3c-8a57-1a1c7a2c9b54"


class CatalogueLookup:
    """Looks in the catalogue alone."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def find(self, text: str, caller: Caller) -> Entry:
        entry = self._catalogue.find(text, user_id=caller.sees)
        assert entry is not None
        return entry


def resource(version: int, phase: str) -> dict[str, Any]:
    about = {"name": "a", "uid": "u", "resourceVersion": str(version), "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {
        "metadata": about,
        "spec": {"source": {"url": "https://example.com/a"}, "assetId": ID},
        "status": {"phase": phase},
    }


class World:
    def __init__(self, *, heartbeat_s: float = 10) -> None:
        self.catalogue = Catalogue()
        self.catalogue.insert(resource(10, "Importing"))
        self.stopping = asyncio.Event()
        self.routes = EventRoutes(
            authenticator=AnonymousAuthenticator("alice"),
            catalogue=self.catalogue,
            lookup=CatalogueLookup(self.catalogue),  # type: ignore[arg-type]
            presenter=Presenter(None),  # type: ignore[arg-type]
            stopping=self.stopping,
            metrics=Metrics(),
            heartbeat_s=heartbeat_s,
        )

    async def stream(self, seen: str = "") -> AsyncIterator[bytes]:
        headers = [(b"last-event-id", seen.encode())] if seen else []
        request = Request({"type": "http", "headers": headers, "path_params": {"id": ID}})
        response: Any = await self.routes.follow(request)
        return response.body_iterator  # type: ignore[no-any-return]


def phase_of(event: bytes) -> str:
    (line,) = [each for each in event.decode().splitlines() if each.startswith("data: ")]
    return str(json.loads(line.removeprefix("data: "))["phase"])


def test_each_change_is_sent_until_the_end() -> None:
    async def scene() -> None:
        world = World()
        stream = await world.stream()
        assert await anext(stream) == b"retry: 3000\n\n"
        assert phase_of(await anext(stream)) == "Importing"
        world.catalogue.observe(resource(11, "Waiting"))
        event = await anext(stream)
        assert (phase_of(event), event.partition(b"\n")[0]) == ("Waiting", b"id: 11")
        world.catalogue.observe(resource(12, "Ready"))
        assert [phase_of(each) async for each in stream] == ["Ready"]

    asyncio.run(scene())


def test_what_the_client_has_is_not_sent_again() -> None:
    async def scene() -> None:
        world = World()
        stream = await world.stream(seen="10")
        await anext(stream)
        world_changes = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        world.catalogue.observe(resource(11, "Failed"))
        assert phase_of(await world_changes) == "Failed"

    asyncio.run(scene())


def test_silence_is_filled_with_signs_of_life() -> None:
    async def scene() -> None:
        stream = await World(heartbeat_s=0.01).stream(seen="10")
        await anext(stream)
        assert await anext(stream) == b": still here\n\n"

    asyncio.run(scene())


def test_deleted_resource_ends_the_stream() -> None:
    async def scene() -> None:
        world = World()
        stream = await world.stream()
        for _ in range(2):
            await anext(stream)
        world.catalogue.forget(resource(12, "Importing"))
        assert [each async for each in stream] == [b"event: gone\ndata: {}\n\n"]

    asyncio.run(scene())


def test_stopping_server_ends_the_stream() -> None:
    async def scene() -> None:
        world = World()
        stream = await world.stream()
        for _ in range(2):
            await anext(stream)
        world.stopping.set()
        assert [each async for each in stream] == []

    asyncio.run(scene())


def test_finished_asset_is_sent_once() -> None:
    async def scene() -> None:
        world = World()
        world.catalogue.observe(resource(11, "Failed"))
        assert len([each async for each in await world.stream()]) == 2

    asyncio.run(scene())


def test_subscribers_are_forgotten_with_their_stream() -> None:
    async def scene() -> None:
        world = World()
        with world.catalogue.subscribe("a") as changed:
            world.catalogue.observe(resource(11, "Waiting"))
            assert changed.is_set()
        assert entry_of(resource(11, "Waiting")) == world.catalogue.get("a")
        assert not world.catalogue._subscribers

    asyncio.run(scene())
