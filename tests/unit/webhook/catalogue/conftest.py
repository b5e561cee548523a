"""Fixtures of the tests that walk a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.walked_store import DELETED, KEPT, UNFINISHED, Installation, put, running_store_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.loopback.store import Store


@pytest.fixture(scope="module", params=["versitygw and SQLite", "SeaweedFS and PostgreSQL"])
def kinds(request: pytest.FixtureRequest) -> list[str]:
    """Return the kinds of store and database."""
    names: list[str] = request.param.split(" and ")
    return names


@pytest.fixture(scope="module")
def store(kinds: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Run a server with the records of all imports, and what else may lie next to them."""
    with running_store_of(kinds[0], tmp_path_factory) as server:
        client = server.client()
        for each in KEPT:
            put(client, each.keys.sidecar, each.sidecar)
            put(client, each.keys.thumbnail)
        for each in DELETED:
            put(client, each.keys.sidecar, each.tombstone)
        for key in ("incoming/user-1/object", "media/user-1/readme.txt", "media/user-1/deep/er/asset.json"):
            put(client, key)
        put(client, UNFINISHED.thumbnail)
        yield server


@pytest.fixture
def installation(
    store: Store, kinds: list[str], make_catalogue_url: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> Installation:
    caplog.set_level("INFO")
    return Installation(make_catalogue_url(kinds[1].lower()), store, caplog)
