from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_webhook.access.authenticator import AnonymousAuthenticator
from mediaimport_webhook.catalogue.entry import Entry, entry_of
from mediaimport_webhook.catalogue.index import Catalogue
from mediaimport_webhook.catalogue.listing import Listing
from mediaimport_webhook.catalogue.presenter import Presenter
from mediaimport_webhook.http.problems import Problem
from mediaimport_webhook.metrics import Metrics
from mediaimport_webhook.routes.events import EventRoutes
from mediaimport_webhook.routes.waiting import WaitLimiter
from starlette.requests import Request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mediaimport_webhook.access import Caller
    from starlette.responses import Response
    from starlette.types import Message

ID = "0d5d4b1e-98a7-5f3c-8a57-1a1c7a2c9b54"


NO_ROWS = Listing(Catalogue(), None)


class CatalogueLookup:
    """Looks in the catalogue alone."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def find(self, text: str, caller: Caller) -> Entry:
        entry = self._catalogue.find(text, user_id=caller.sees)
        assert entry is not None
        return entry


def resource(version: int, phase: str, *, user: str = "default", asset_id: str = ID) -> dict[str, Any]:
    about = {"name": "a", "uid": "u", "resourceVersion": str(version), "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {
        "metadata": about,
        "spec": {"source": {"url": "https://example.com/a"}, "assetId": asset_id, "userId": user},
        "status": {"phase": phase},
    }


class World:
    def __init__(self, *, heartbeat_s: float = 10, streams_per_user: int = 0, listing: Listing = NO_ROWS) -> None:
        self.catalogue = Catalogue() if listing is NO_ROWS else listing.catalogue
        self.catalogue.insert(resource(10, "Importing"))
        self.stopping = asyncio.Event()
        self.routes = EventRoutes(
            authenticator=AnonymousAuthenticator("alice"),
            listing=Listing(self.catalogue, listing.archive),
            lookup=CatalogueLookup(self.catalogue),  # type: ignore[arg-type]
            presenter=Presenter(None),  # type: ignore[arg-type]
            stopping=self.stopping,
            metrics=Metrics(),
            limiter=WaitLimiter(streams_per_user),
            heartbeat_s=heartbeat_s,
        )

    async def follow(self, seen: str = "", *, method: str = "GET") -> Response:
        headers = [(b"last-event-id", seen.encode())] if seen else []
        request = Request({"type": "http", "method": method, "headers": headers, "path_params": {"id": ID}})
        return await self.routes.follow(request)

    async def stream(self, seen: str = "") -> AsyncIterator[bytes]:
        response: Any = await self.follow(seen)
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


def test_end_between_the_answer_and_the_subscription_is_told() -> None:
    async def scene() -> None:
        world = World()
        stream = await world.stream()
        world.catalogue.observe(resource(11, "Ready"))
        assert [phase_of(each) async for each in stream if each.startswith(b"id")] == ["Ready"]

    asyncio.run(asyncio.wait_for(scene(), 5))


def test_deletion_between_the_answer_and_the_subscription_is_told() -> None:
    async def scene() -> None:
        world = World()
        stream = await world.stream()
        world.catalogue.forget(resource(11, "Importing"))
        assert [each async for each in stream][1:] == [b"event: gone\ndata: {}\n\n"]

    asyncio.run(asyncio.wait_for(scene(), 5))


@pytest.mark.parametrize("events_before", [0, 1])
@pytest.mark.parametrize("changes", [{"user": "bob"}, {"asset_id": "b1b7d1f0-0000-4000-8000-000000000000"}])
def test_another_asset_under_the_name_is_not_sent(events_before: int, changes: dict[str, str]) -> None:
    async def scene() -> None:
        world = World()
        stream = await world.stream(seen="10")
        waiting = asyncio.ensure_future(anext(stream))
        if events_before:
            await waiting
            waiting = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0)
        world.catalogue.forget(resource(11, "Importing"))
        world.catalogue.observe(resource(12, "Ready", **changes))
        rest = [await waiting, *[each async for each in stream]]
        assert rest[-1] == b"event: gone\ndata: {}\n\n"
        assert [each for each in rest if each.startswith(b"id")] == []

    asyncio.run(asyncio.wait_for(scene(), 5))


def test_heartbeat_tells_an_end_that_was_not_announced() -> None:
    async def scene() -> None:
        world = World(heartbeat_s=0.01)
        stream = await world.stream(seen="10")
        await anext(stream)
        assert await anext(stream) == b": still here\n\n"
        world.catalogue._by_name["a"] = entry_of(resource(11, "Ready"))
        assert "Ready" in [phase_of(each) async for each in stream if each.startswith(b"id")]

    asyncio.run(asyncio.wait_for(scene(), 5))


def test_client_that_has_seen_the_end_is_told_not_to_come_again() -> None:
    async def scene() -> None:
        world = World()
        world.catalogue.observe(resource(11, "Failed"))
        assert (await world.follow(seen="11")).status_code == 204
        assert [phase_of(each) async for each in await world.stream(seen="10") if each.startswith(b"id")] == ["Failed"]

    asyncio.run(scene())


def test_head_is_answered_without_a_stream() -> None:
    async def scene() -> None:
        response = await World().follow(method="HEAD")
        assert (response.status_code, response.media_type, response.body) == (200, "text/event-stream", b"")

    asyncio.run(asyncio.wait_for(scene(), 5))


def test_streams_of_one_user_are_bounded() -> None:
    async def scene() -> None:
        world = World(streams_per_user=2)
        async with asyncio.timeout(5):
            running = [asyncio.create_task(served(await world.follow())) for _ in range(2)]
            await asyncio.sleep(0.01)
            with pytest.raises(Problem) as refused:
                await world.follow()
            assert (refused.value.status, refused.value.slug) == (429, "too-many-streams")
            assert refused.value.headers["Retry-After"] == "15"
            running[0].cancel()
            await asyncio.gather(running[0], return_exceptions=True)
            assert (await world.follow()).status_code == 200
            running[1].cancel()

    asyncio.run(scene())


async def served(response: Response) -> None:
    """Send a response to a client that stays."""

    async def receive() -> Message:
        await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        pass

    await response({"type": "http", "asgi": {"spec_version": "2.4"}}, receive, send)


def test_subscribers_are_forgotten_with_their_stream() -> None:
    async def scene() -> None:
        world = World()
        with world.catalogue.subscribe("a") as changed:
            world.catalogue.observe(resource(11, "Waiting"))
            assert changed.is_set()
        assert entry_of(resource(11, "Waiting")) == world.catalogue.get("a")
        assert not world.catalogue._subscribers

    asyncio.run(scene())
