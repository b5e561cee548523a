from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mediaimport_webhook.cluster import Resource

    from tests.support.webhook import RunningWebhook

IMPORT, BODY = "/api/v1/media/import-from-url", {"url": "https://example.com/a.mp4"}
KEY = {"Idempotency-Key": "k1"}


@pytest.mark.parametrize(("deletions", "status"), [(1, 202), (2, 202), (3, 503)])
def test_import_whose_namesake_is_deleted_meanwhile_is_created(
    webhook: RunningWebhook, monkeypatch: pytest.MonkeyPatch, deletions: int, status: int
) -> None:
    """A request with the same key, and a deletion, come between its creation and its look at what exists."""
    first = webhook.call("POST", IMPORT, json=BODY, headers=KEY).json()
    cluster, left = webhook.cluster, [deletions]
    (namesake,) = cluster.imports.values()
    create, get = cluster.create_import, cluster.get_import

    async def create_next_to_another(manifest: Resource) -> Resource:
        if left[0] > 0 and not cluster.imports:
            await cluster.write(namesake)
        return await create(manifest)

    async def get_deleted(name: str) -> Resource | None:
        if left[0] > 0:
            left[0] -= 1
            await cluster.remove(name)
        return await get(name)

    monkeypatch.setattr(cluster, "create_import", create_next_to_another)
    monkeypatch.setattr(cluster, "get_import", get_deleted)
    again = webhook.call("POST", IMPORT, json=BODY, headers=KEY)

    assert again.status_code == status
    if status == 202:
        assert again.json()["asset_id"] == first["asset_id"]
        (created,) = cluster.imports.values()
        assert created["metadata"]["uid"] != namesake["metadata"]["uid"]
