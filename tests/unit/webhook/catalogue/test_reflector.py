from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

from mediaimport_webhook.catalogue.entry import Entry

if TYPE_CHECKING:
    from tests.support.webhook import RunningWebhook


def resource(name: str) -> dict[str, Any]:
    about = {"name": name, "uid": f"uid-{name}", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"metadata": about, "spec": {"source": {"url": "https://example.com/a.mp4"}, "userId": "alice"}}


def names(webhook: RunningWebhook) -> set[str]:
    return {each["import_job_id"] for each in webhook.call("GET", "/api/v1/media/?limit=200").json()["assets"]}


def test_what_others_write_is_seen(webhook: RunningWebhook) -> None:
    webhook.run(webhook.cluster.write(resource("applied")))
    webhook.until(lambda: names(webhook) == {"applied"})
    webhook.run(webhook.cluster.remove("applied"))
    webhook.until(lambda: names(webhook) == set())


def test_list_is_read_in_pages(webhook: RunningWebhook) -> None:
    webhook.cluster.page_size = 2
    for index in range(5):
        webhook.run(webhook.cluster.write(resource(f"r{index}")))
    webhook.cluster.calls.clear()
    webhook.run(webhook.cluster.cut())
    webhook.until(lambda: webhook.cluster.calls.count("list_imports") == 3 and len(names(webhook)) == 5)


def test_watch_whose_place_is_gone_lists_again_and_drops_what_was_deleted(webhook: RunningWebhook) -> None:
    for name in ("kept", "deleted"):
        webhook.run(webhook.cluster.write(resource(name)))
    webhook.until(lambda: len(names(webhook)) == 2)
    del webhook.cluster.imports["deleted"]
    webhook.run(webhook.cluster.cut())
    webhook.until(lambda: names(webhook) == {"kept"})


def test_cluster_that_comes_back_is_read_on(webhook: RunningWebhook) -> None:
    webhook.cluster.down = True
    webhook.run(webhook.cluster.cut())
    webhook.until(lambda: webhook.cluster.calls.count("watch_imports") >= 1)
    webhook.cluster.down = False
    webhook.run(webhook.cluster.write(resource("late")))
    webhook.until(lambda: names(webhook) == {"late"})


def test_readiness_tells_the_cache(webhook: RunningWebhook) -> None:
    answer = webhook.call("GET", "/readyz", token=None)
    assert (answer.status_code, answer.json()["synced"], answer.json()["imports"]) == (200, True, 0)
    assert webhook.call("GET", "/healthz", token=None).json() == {"status": "ok"}


def test_listed_entries_are_not_looked_through_by_the_garbage_collector(webhook: RunningWebhook) -> None:
    for index in range(5):
        webhook.run(webhook.cluster.write(resource(f"r{index}")))
    webhook.until(lambda: len(names(webhook)) == 5)
    assert collected_entries() >= 5
    webhook.run(webhook.cluster.cut())
    webhook.until(lambda: collected_entries() == 0)
    gc.unfreeze()
    assert collected_entries() >= 5


def collected_entries() -> int:
    return sum(isinstance(each, Entry) for each in gc.get_objects())
