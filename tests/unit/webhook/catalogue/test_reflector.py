from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.unit.webhook.conftest import Shim


def resource(name: str) -> dict[str, Any]:
    about = {"name": name, "uid": f"uid-{name}", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"metadata": about, "spec": {"source": {"url": "https://example.com/a.mp4"}, "userId": "alice"}}


def names(shim: Shim) -> set[str]:
    return {each["import_job_id"] for each in shim.call("GET", "/api/v1/media/?limit=200").json()["assets"]}


def test_what_others_write_is_seen(shim: Shim) -> None:
    shim.run(shim.cluster.write(resource("applied")))
    shim.until(lambda: names(shim) == {"applied"})
    shim.run(shim.cluster.remove("applied"))
    shim.until(lambda: names(shim) == set())


def test_list_is_read_in_pages(shim: Shim) -> None:
    shim.cluster.page_size = 2
    for index in range(5):
        shim.run(shim.cluster.write(resource(f"r{index}")))
    shim.cluster.calls.clear()
    shim.run(shim.cluster.cut())
    shim.until(lambda: shim.cluster.calls.count("list_imports") == 3 and len(names(shim)) == 5)


def test_watch_whose_place_is_gone_lists_again_and_drops_what_was_deleted(shim: Shim) -> None:
    for name in ("kept", "deleted"):
        shim.run(shim.cluster.write(resource(name)))
    shim.until(lambda: len(names(shim)) == 2)
    del shim.cluster.imports["deleted"]
    shim.run(shim.cluster.cut())
    shim.until(lambda: names(shim) == {"kept"})


def test_cluster_that_comes_back_is_read_on(shim: Shim) -> None:
    shim.cluster.down = True
    shim.run(shim.cluster.cut())
    shim.until(lambda: shim.cluster.calls.count("watch_imports") >= 1)
    shim.cluster.down = False
    shim.run(shim.cluster.write(resource("late")))
    shim.until(lambda: names(shim) == {"late"})


def test_readiness_tells_the_cache(shim: Shim) -> None:
    answer = shim.call("GET", "/readyz", token=None)
    assert (answer.status_code, answer.json()["synced"], answer.json()["imports"]) == (200, True, 0)
    assert shim.call("GET", "/healthz", token=None).json() == {"status": "ok"}
