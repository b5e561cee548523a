"""Overlays in real stores."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.names import AssetKeys
from mediaimport_api.overlay import Overlay
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.store_settings import StoreSettings
from mediaimport_webhook.store import OverlayChangedError, StoredOverlay, StoreUnavailableError
from mediaimport_webhook.store.overlays import Overlays
from mediaimport_webhook.store.sidecars import Sidecars, open_fetch

from tests.support.loopback.processes import free_port
from tests.support.loopback.seaweed import running_seaweed
from tests.support.loopback.store import BUCKET, Store, running_store, versitygw
from tests.support.loopback.store_proxy import proxied, xml_error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.loopback.store_proxy import Request

KEYS = AssetKeys("alice", "0d5d4b1e-98a7-5f3c-8a57-1a1c7a2c9b54")
NOTHING = StoredOverlay(None, "")


@pytest.fixture(scope="module", params=["versitygw", "SeaweedFS"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("store")
    if request.param == "SeaweedFS":
        with running_seaweed(folder, certificate=None) as running:
            yield running
    else:
        with running_store(folder, program=versitygw(), certificate=None) as running:
            yield running


@pytest.fixture
def store(server: Store) -> Store:
    """Return a store without an overlay."""
    server.client().delete_object(Bucket=BUCKET, Key=KEYS.overlay)
    return server


def settings(store: Store, *, port: int | None = None, **changes: str) -> StoreSettings:
    return StoreSettings.read(Environment(store.variables(port=port) | changes))


def overlay(revision: int = 1, **changes: Any) -> Overlay:  # noqa: ANN401 - any field's
    values = {"name": "a.mp4", "tags": ["t"], "metadata": {"ä\0\U0001f469": [None, 1.5]}} | changes
    return Overlay(revision=revision, updated_at=datetime(2026, 1, 1, tzinfo=UTC), **values)


def test_overlay_is_read_as_it_was_written_by_editors_and_by_reads(store: Store) -> None:
    async def scene() -> None:
        overlays = Overlays(settings(store))
        assert await overlays.read(KEYS) == NOTHING
        await overlays.write(KEYS, overlay(), replaces=NOTHING)
        found = await overlays.read(KEYS)
        assert found.overlay == overlay()
        await overlays.write(KEYS, overlay(2, name="b"), replaces=found)
        async with open_fetch(settings(store)) as fetch:
            sidecars = Sidecars(settings(store), fetch)
            assert await sidecars.overlay(KEYS) == overlay(2, name="b")
            await overlays.clear(KEYS)
            assert await sidecars.overlay(KEYS) is None
        cleared = await overlays.read(KEYS)
        assert cleared.overlay is None
        await overlays.write(KEYS, overlay(3), replaces=cleared)
        assert (await overlays.read(KEYS)).overlay == overlay(3)

    asyncio.run(scene())
    stored = store.client().get_object(Bucket=BUCKET, Key=KEYS.overlay)
    assert stored["ContentType"] == "application/json"


@pytest.mark.parametrize("exists", [False, True])
def test_second_of_two_writers_is_refused(store: Store, *, exists: bool) -> None:
    async def scene() -> list[Overlay | None]:
        first, second = Overlays(settings(store)), Overlays(settings(store))
        if exists:
            await first.write(KEYS, overlay(), replaces=NOTHING)
        both = [await each.read(KEYS) for each in (first, second)]
        await first.write(KEYS, overlay(2), replaces=both[0])
        with pytest.raises(OverlayChangedError):
            await second.write(KEYS, overlay(2, name="lost"), replaces=both[1])
        return [(await second.read(KEYS)).overlay]

    assert asyncio.run(scene()) == [overlay(2)]


def test_overlay_that_is_deleted_meanwhile_is_not_written(store: Store) -> None:
    async def scene() -> StoredOverlay:
        overlays = Overlays(settings(store))
        await overlays.write(KEYS, overlay(), replaces=NOTHING)
        found = await overlays.read(KEYS)
        store.client().delete_object(Bucket=BUCKET, Key=KEYS.overlay)
        with pytest.raises(OverlayChangedError):
            await overlays.write(KEYS, overlay(2), replaces=found)
        return await overlays.read(KEYS)

    assert asyncio.run(scene()) == NOTHING


def test_store_without_conditional_writes_keeps_the_last_one(store: Store) -> None:
    async def scene() -> Overlay | None:
        overlays = Overlays(settings(store, S3_CONDITIONAL_WRITES="false"))
        await overlays.write(KEYS, overlay(), replaces=NOTHING)
        await overlays.write(KEYS, overlay(2), replaces=NOTHING)
        return (await overlays.read(KEYS)).overlay

    assert asyncio.run(scene()) == overlay(2)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b'{"a":' * 5000, b'{"revision": 0}'])
def test_object_that_is_no_overlay_is_none_and_can_be_replaced(store: Store, body: bytes) -> None:
    async def scene() -> Overlay | None:
        store.client().put_object(Bucket=BUCKET, Key=KEYS.overlay, Body=body)
        overlays = Overlays(settings(store))
        found = await overlays.read(KEYS)
        assert found.overlay is None
        await overlays.write(KEYS, overlay(), replaces=found)
        return (await overlays.read(KEYS)).overlay

    assert asyncio.run(scene()) == overlay()


def test_refused_write_names_the_permission_and_a_refused_read_is_no_overlay(store: Store) -> None:
    with proxied(store) as proxy:
        proxy.denies = lambda request: request.key.endswith("overlay.json")
        overlays = Overlays(settings(store, port=proxy.port))
        assert asyncio.run(overlays.read(KEYS)) == NOTHING
        with pytest.raises(StoreUnavailableError, match=r"403 AccessDenied; .* s3:PutObject on media/\*/overlay\.json"):
            asyncio.run(overlays.write(KEYS, overlay(), replaces=NOTHING))


def test_store_that_fails_or_is_away_is_unavailable(store: Store) -> None:
    def refuse(request: Request) -> bytes:
        return xml_error(request, "500 Internal Server Error", "InternalError")

    with proxied(store) as proxy:
        proxy.refuses = refuse
        failing = Overlays(settings(store, port=proxy.port))
        for work in (failing.read(KEYS), failing.write(KEYS, overlay(), replaces=NOTHING), failing.clear(KEYS)):
            with pytest.raises(StoreUnavailableError):
                asyncio.run(work)
    with pytest.raises(StoreUnavailableError):
        asyncio.run(Overlays(settings(store, port=free_port())).read(KEYS))
