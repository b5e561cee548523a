from __future__ import annotations

import asyncio
from http import HTTPStatus
from uuid import UUID

import pytest
from mediaimport_api.names import AssetKeys
from mediaimport_webhook.access import Caller
from mediaimport_webhook.catalogue.index import Catalogue
from mediaimport_webhook.catalogue.lookup import AssetLookup
from mediaimport_webhook.http.problems import Problem

from tests.support.webhook import ASSET_ID, FakeCluster, FakeSidecars, sidecar_of

ALICE = Caller("alice", admin=False)
KEPT = 10_000


class World:
    """Lookup whose clock the test turns."""

    def __init__(self) -> None:
        self.now = 0.0
        self.cluster, self.sidecars = FakeCluster(), FakeSidecars()
        self.lookup = AssetLookup(Catalogue(), self.cluster, self.sidecars, monotonic=lambda: self.now)

    async def finds(self, asset_id: str = ASSET_ID, caller: Caller = ALICE) -> bool:
        try:
            return (await self.lookup.find(asset_id, caller)).asset_id == asset_id
        except Problem as problem:
            if problem.status != HTTPStatus.NOT_FOUND:
                raise
            return False


@pytest.mark.parametrize(("seconds", "found"), [(1.9, False), (2.1, True)])
def test_absence_is_believed_for_two_seconds(seconds: float, found: bool) -> None:  # noqa: FBT001 - a parameter
    async def scene() -> None:
        world = World()
        assert not await world.finds()
        world.sidecars.held[AssetKeys("alice", ASSET_ID).sidecar] = sidecar_of("alice")
        world.now += seconds
        assert await world.finds() is found

    asyncio.run(scene())


def test_absence_for_one_user_is_none_for_another() -> None:
    async def scene() -> None:
        world = World()
        world.sidecars.held[AssetKeys("alice", ASSET_ID).sidecar] = sidecar_of("alice")
        assert not await world.finds(caller=Caller("bob", admin=False))
        assert await world.finds()

    asyncio.run(scene())


def test_strange_ids_take_bounded_memory() -> None:
    async def scene() -> None:
        world = World()
        for number in range(KEPT + 1):
            await world.finds(str(UUID(int=number)))
        reads = len(world.sidecars.reads)
        await world.finds(str(UUID(int=KEPT)))
        assert len(world.sidecars.reads) == reads
        await world.finds(str(UUID(int=0)))
        assert len(world.sidecars.reads) == reads + 1

    asyncio.run(scene())
