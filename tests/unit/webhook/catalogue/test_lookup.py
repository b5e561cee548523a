from __future__ import annotations

import asyncio

import pytest
from mediaimport_api.names import AssetKeys
from mediaimport_webhook.access import Caller
from mediaimport_webhook.catalogue.index import Catalogue
from mediaimport_webhook.catalogue.lookup import AssetLookup
from mediaimport_webhook.http.problems import Problem

from tests.support.webhook import ASSET_ID, FakeCluster, FakeSidecars, sidecar_of

ALICE = Caller("alice", admin=False)


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
