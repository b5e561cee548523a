"""`GET /api/v1/events`: what a follower of all assets is told, and what one that was away."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from mediaimport_webhook.access import Caller
from mediaimport_webhook.catalogue import changes
from mediaimport_webhook.catalogue.entry import entry_of
from mediaimport_webhook.catalogue.index import Catalogue
from mediaimport_webhook.catalogue.listing import Listing
from mediaimport_webhook.catalogue.presenter import Presenter
from mediaimport_webhook.http.problems import Problem
from mediaimport_webhook.metrics import Metrics
from mediaimport_webhook.routes import events
from mediaimport_webhook.routes.events import EventRoutes
from mediaimport_webhook.routes.waiting import WaitLimiter
from starlette.requests import Request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def asset_id(number: int) -> str:
    return str(UUID(int=number))


def resource(
    number: int, version: int, phase: str = "Importing", *, user: str = "alice", deleted: bool = False
) -> dict[str, Any]:
    about = {"name": f"r{number}", "uid": f"u{number}", "creationTimestamp": "2026-01-01T00:00:00Z"}
    spec = {"source": {"url": "https://example.com/a"}, "assetId": asset_id(number), "userId": user}
    return {
        "metadata": about
        | {"resourceVersion": str(version)}
        | ({"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleted else {}),
        "spec": spec | ({"deletionPolicy": "Delete"} if deleted else {}),
        "status": {"phase": phase},
    }


NO_ROWS = Listing(Catalogue(), None)


class Alone:
    """Knows one caller."""

    def __init__(self, *, admin: bool) -> None:
        self._caller = Caller("alice", admin=admin)

    async def caller(self, _: Request) -> Caller:
        return self._caller


class World:
    def __init__(
        self,
        *,
        heartbeat_s: float = 30,
        streams_per_user: int = 0,
        admin: bool = False,
        listing: Listing = NO_ROWS,
    ) -> None:
        self.catalogue = Catalogue() if listing is NO_ROWS else listing.catalogue
        self.stopping = asyncio.Event()
        self.routes = EventRoutes(
            authenticator=Alone(admin=admin),
            listing=Listing(self.catalogue, listing.archive),
            lookup=None,  # type: ignore[arg-type]
            presenter=Presenter(None),  # type: ignore[arg-type]
            stopping=self.stopping,
            metrics=Metrics(),
            limiter=WaitLimiter(streams_per_user),
            heartbeat_s=heartbeat_s,
        )

    def listed(self, *resources: dict[str, Any], version: int = 100) -> None:
        """The reflector's first list."""
        self.catalogue.replace(map(entry_of, resources), version=version)

    async def response(self, seen: str | None = None, method: str = "GET") -> Any:  # noqa: ANN401 - any response
        headers = [] if seen is None else [(b"last-event-id", seen.encode())]
        return await self.routes.follow_all(Request({"type": "http", "method": method, "headers": headers}))

    async def stream(self, seen: str | None = None) -> AsyncIterator[bytes]:
        """A stream whose first line, the time to reconnect, has come."""
        stream: AsyncIterator[bytes] = (await self.response(seen)).body_iterator
        assert await anext(stream) == b"retry: 3000\n\n"
        return stream

    async def until_followed(self, stream: AsyncIterator[bytes]) -> asyncio.Future[bytes]:
        """The next event, of a stream that waits for it."""
        following = asyncio.ensure_future(anext(stream))
        while not self.catalogue.changes._followers:  # noqa: ASYNC110 - nothing tells of a follower
            await asyncio.sleep(0)
        return following


def read(event: bytes) -> tuple[str, str, str | None]:
    """Return an event's name, asset and id."""
    lines = dict(line.split(": ", 1) for line in event.decode().splitlines() if line)
    return lines["event"], json.loads(lines["data"]).get("id", ""), lines.get("id")


def test_new_client_is_told_to_list_and_then_of_each_change() -> None:
    async def scene() -> None:
        world = World()
        world.listed(resource(1, 50))
        stream = await world.stream()
        assert read(await anext(stream)) == ("reset", "", "100")
        world.catalogue.observe(resource(2, 101))
        assert read(await anext(stream)) == ("asset", asset_id(2), "101")
        world.catalogue.observe(resource(1, 102, "Ready"))
        assert read(await anext(stream)) == ("asset", asset_id(1), "102")

    asyncio.run(scene())


@pytest.mark.parametrize("admin", [False, True])
def test_other_users_assets_are_told_to_admins_alone(admin: bool) -> None:  # noqa: FBT001 - a case
    async def scene() -> None:
        world = World(admin=admin)
        world.listed()
        stream = await world.stream()
        await anext(stream)
        world.catalogue.observe(resource(2, 101, user="bob"))
        world.catalogue.observe(resource(2, 102, user="bob", deleted=True))
        world.catalogue.observe(resource(3, 103))
        expected = [("asset", asset_id(3), None if admin else "103"), ("gone", asset_id(2), "103")]
        assert [read(await anext(stream)) for _ in range(1 + admin)] == expected[: 1 + admin]
        again = await world.stream(seen="100")
        assert [read(await anext(again)) for _ in range(1 + admin)] == expected[: 1 + admin]

    asyncio.run(scene())


def test_slow_client_gets_the_newest_state_of_each_and_an_id_with_the_last() -> None:
    async def scene() -> None:
        world = World()
        world.listed()
        stream = await world.stream()
        await anext(stream)
        for version in range(101, 110):
            world.catalogue.observe(resource(version % 2, version))
        world.catalogue.observe(resource(5, 110))
        world.catalogue.observe(resource(5, 111, deleted=True))
        told = [read(await anext(stream)) for _ in range(3)]
        assert told == [("asset", asset_id(0), None), ("asset", asset_id(1), None), ("gone", asset_id(5), "111")]

    asyncio.run(scene())


def test_id_never_covers_a_change_that_the_watch_has_yet_to_bring() -> None:
    async def scene() -> None:
        world = World()
        world.listed()
        stream = await world.stream()
        await anext(stream)
        # Our own write is here before the watch's event of an earlier one.
        world.catalogue.insert(resource(1, 105))
        assert read(await anext(stream)) == ("asset", asset_id(1), "100")
        world.catalogue.observe(resource(2, 104))
        again = await world.stream(seen="100")
        assert {read(await anext(again))[1] for _ in range(2)} == {asset_id(1), asset_id(2)}

    asyncio.run(scene())


def test_client_that_was_away_gets_what_it_has_missed() -> None:
    async def scene() -> None:
        world = World()
        world.listed(resource(1, 50), resource(2, 60), resource(3, 70))
        world.catalogue.observe(resource(1, 101, "Ready"))
        world.catalogue.observe(resource(2, 102, deleted=True))
        world.catalogue.forget(resource(2, 103))
        world.catalogue.forget(resource(3, 104))
        stream = await world.stream(seen="100")
        told = [read(await anext(stream)) for _ in range(3)]
        assert told == [
            ("asset", asset_id(1), None),
            ("gone", asset_id(2), None),
            ("gone", asset_id(3), "104"),
        ], "an import that goes before its end is gone"
        following = await world.until_followed(await world.stream(seen="104"))
        assert not following.done(), "nothing was missed"
        following.cancel()

    asyncio.run(scene())


def test_finished_asset_whose_resource_ends_is_not_gone() -> None:
    async def scene() -> None:
        world = World()
        world.listed(resource(1, 50, "Ready"))
        world.catalogue.forget(resource(1, 101, "Ready"))
        world.catalogue.observe(resource(2, 102))
        stream = await world.stream(seen="100")
        assert read(await anext(stream)) == ("asset", asset_id(2), "102")

    asyncio.run(scene())


@pytest.mark.parametrize("seen", ["99", "", "nonsense", "-1", "²", "9" * 40])
def test_client_whose_gap_nobody_knows_lists_again(seen: str) -> None:
    async def scene() -> None:
        world = World()
        world.listed(resource(1, 50))
        assert read(await anext(await world.stream(seen=seen))) == ("reset", "", "100")

    asyncio.run(scene())


def test_client_that_has_missed_too_much_lists_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_MAX_MISSED", 2)
    monkeypatch.setattr(changes, "MAX_GONE", 2)

    async def scene() -> None:
        world = World()
        world.listed()
        for number in range(3):
            world.catalogue.observe(resource(number, 101 + number))
        assert read(await anext(await world.stream(seen="100"))) == ("reset", "", "103")
        assert read(await anext(await world.stream(seen="101")))[0] == "asset"

    asyncio.run(scene())


def test_silence_is_filled_and_the_end_of_the_server_ends_the_stream() -> None:
    async def scene() -> None:
        world = World(heartbeat_s=0.01)
        world.listed()
        stream = await world.stream()
        await anext(stream)
        assert await anext(stream) == b": still here\n\n"
        world.stopping.set()
        assert [each async for each in stream if not each.startswith(b":")] == []
        assert world.catalogue.changes._followers == {}

    asyncio.run(scene())


def test_streams_of_one_user_are_limited() -> None:
    async def scene() -> None:
        world = World(streams_per_user=1)
        world.listed()
        with world.routes.limiter.counted("alice"), pytest.raises(Problem, match="event streams"):
            await world.response()
        assert (await world.response(method="HEAD")).status_code == 200

    asyncio.run(scene())
