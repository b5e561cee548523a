from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
from mediaimport_runtime.metrics_server import serving_metrics
from mediaimport_webhook.metrics import Metrics

from tests.support.loopback.processes import free_port

if TYPE_CHECKING:
    from tests.support.webhook import Make, RunningWebhook

ASSET = "0d5d4b1e-98a7-5f3c-8a57-1a1c7a2c9b54"


def test_requests_are_counted_by_route_never_by_path(webhook: RunningWebhook) -> None:
    for each in (ASSET, "what-nobody-has"):
        webhook.call("GET", f"/api/v1/media/{each}")
    labels = {"method": "GET", "route": "/api/v1/media/{id}"}
    assert webhook.sample("mediaimport_webhook_http_requests_total", **labels, status="404") == 2
    assert webhook.sample("mediaimport_webhook_http_request_duration_seconds_count", route="/api/v1/media/{id}") == 2


def test_paths_and_methods_that_nobody_serves_share_a_series(webhook: RunningWebhook) -> None:
    for path in ("/a", "/b"):
        webhook.call("BREW", path)
    labels = {"method": "other", "route": "none", "status": "404"}
    assert webhook.sample("mediaimport_webhook_http_requests_total", **labels) == 2


def test_callbacks_and_what_they_made_are_counted(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.callback(prediction())
    webhook.callback(prediction())
    webhook.callback(prediction(status="failed"))
    webhook.callback(prediction(), secret="whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
    counted = {
        outcome: webhook.sample("mediaimport_webhook_callbacks_total", provider="replicate", outcome=outcome)
        for outcome in ("imported", "ignored", "refused")
    }
    assert counted == {"imported": 2, "ignored": 1, "refused": 1}
    made = [
        webhook.sample("mediaimport_webhook_imports_total", origin="replicate", outcome=each)
        for each in ("created", "duplicate")
    ]
    assert made == [1, 1]


def test_callback_that_could_not_be_kept_is_counted_as_failed(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.cluster.down = True
    assert webhook.callback(prediction()).status_code == 503
    assert webhook.sample("mediaimport_webhook_callbacks_total", provider="replicate", outcome="failed") == 1


def test_cache_says_how_large_and_how_stale_it_is(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.callback(prediction())
    assert (
        webhook.sample("mediaimport_webhook_cache_resources"),
        webhook.sample("mediaimport_webhook_cache_stale"),
    ) == (1, 0)
    webhook.cluster.down = True
    webhook.run(webhook.cluster.cut())
    webhook.until(lambda: webhook.sample("mediaimport_webhook_cache_stale") == 1)


def test_metrics_are_read_on_a_port_of_their_own() -> None:
    metrics = Metrics()
    metrics.callback("replicate", "imported")
    with serving_metrics(metrics.registry, 0, host="127.0.0.1") as port:
        assert port == 0
    with serving_metrics(metrics.registry, free_port(), host="127.0.0.1") as port:
        answer = httpx.get(f"http://127.0.0.1:{port}/metrics")
    assert 'mediaimport_webhook_callbacks_total{outcome="imported",provider="replicate"} 1.0' in answer.text
