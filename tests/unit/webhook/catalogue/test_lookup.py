from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
from mediaimport_api.names import AssetKeys
from mediaimport_webhook.access import Caller
from mediaimport_webhook.catalogue.index import Catalogue
from mediaimport_webhook.catalogue.lookup import AssetLookup
from mediaimport_webhook.http.problems import Problem

from tests.support.webhook import ASSET_ID, FakeSidecars, sidecar_of
from tests.support.webhook_cluster import FakeCluster

ALICE = Caller("alice", admin=False)
_KEPT = 10_000


def test_asset_that_appears_is_found_two_seconds_after_a_miss_at_the_latest() -> None:
    async def scene() -> None:
        now_s = 0.0
        sidecars = FakeSidecars()
        lookup = AssetLookup(Catalogue(), FakeCluster(), sidecars, monotonic=lambda: now_s)
        with pytest.raises(Problem):
            await lookup.find(ASSET_ID, ALICE)
        sidecars.held[AssetKeys("alice", ASSET_ID).sidecar] = sidecar_of("alice")
        now_s = 1.9
        with pytest.raises(Problem):
            await lookup.find(ASSET_ID, ALICE)
        now_s = 2.1
        assert (await lookup.find(ASSET_ID, ALICE)).asset_id == ASSET_ID

    asyncio.run(scene())


def test_misses_of_any_number_of_ids_take_bounded_memory() -> None:
    async def scene() -> None:
        sidecars = FakeSidecars()
        lookup = AssetLookup(Catalogue(), FakeCluster(), sidecars, monotonic=lambda: 0.0)

        async def misses(number: int) -> int:
            """Look for that id; return the number of reads of the store so far."""
            with pytest.raises(Problem):
                await lookup.find(str(UUID(int=number)), ALICE)
            return len(sidecars.reads)

        for number in range(_KEPT + 1):
            reads = await misses(number)
        assert [await misses(_KEPT), await misses(0)] == [reads, reads + 1]

    asyncio.run(scene())
