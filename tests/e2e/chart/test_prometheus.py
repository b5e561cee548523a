"""A real Prometheus scrapes the programs while faults happen: every alert fires, and no panel stays empty."""

from __future__ import annotations

import json
import math
import re
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml
from mediaimport_api.names import LABEL_RECOVERED

from tests.support.installation.helm import CHART
from tests.support.prometheus import Prometheus, Target, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.installation.chart import Chart
    from tests.support.installation.world import World

Object = dict[str, Any]
RELEASE = "watched"
PANELS = Path(__file__).resolve().parents[3] / "build" / "panels.txt"
METRIC = re.compile(r"\bmediaimport_[a-z_]+")
SUFFIX = re.compile(r"_(total|bucket|sum|count|created)$")
MINUTES = re.compile(r"\b(\d+)m\b")
PATIENCE_S = re.compile(r"> (2400|600)\b")
OF_OTHERS = {
    *("MediaImportRecoveryFailing", "MediaImportCatalogueUnwritten", "MediaImportUnrecorded"),
    *("MediaImportNotificationsGivenUp", "MediaImportNotificationsLate"),
}
"""Alerts on kube-state-metrics, a database and endpoints, which this cluster lacks; test_monitoring.py runs them."""
VALUES = {
    "crds": {"enabled": False},
    # One at a time: the next one waits.
    "operator": {"maxInFlight": 1, "retryWaitSeconds": 1},
}


def hastened(rules: Object) -> str:
    """Return the rules with seconds for minutes, and a queue wait of six seconds for forty minutes.

    test_monitoring.py runs the rules with their own times.
    """
    text = yaml.safe_dump(rules, width=1000).replace("[1h]", "[60m]")
    text = PATIENCE_S.sub(lambda match: f"> {int(match[1]) / 400}", text)
    return MINUTES.sub(r"\1s", text)


def panels() -> list[tuple[str, str]]:
    """Return the titles and expressions of the dashboard's panels."""
    dashboard = json.loads((CHART / "files" / "dashboard.json").read_text())
    return [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel["targets"]]


@dataclass(frozen=True)
class Record:
    """Metrics, alerts and panels as Prometheus saw them during the faults."""

    served: set[str]
    fired: set[str]
    shown: list[tuple[str, str, list[Object]]]
    """The panels with their series."""


@pytest.fixture(scope="module")
def watched(environment: dict[str, str], world: World) -> Iterator[World]:
    """A release of its own, so that its alerts are not mixed with others."""
    with world.second_release(environment, RELEASE, values=VALUES) as release:
        yield release


@pytest.fixture(scope="module")
def rules(chart: Chart, watched: World) -> Object:
    return replace(chart, namespace=watched.namespace).rules()


@pytest.fixture(scope="module")
def record(watched: World, rules: Object, tmp_path_factory: pytest.TempPathFactory) -> Record:
    kube, namespace = watched.installation.kube, watched.namespace
    with kube.proxy() as api:
        targets = [
            Target(
                api.removeprefix("http://"),
                f"/api/v1/namespaces/{namespace}/services/{RELEASE}-{program}-metrics:9090/proxy/metrics",
                {"namespace": namespace},
            )
            for program in ("operator", "webhook")
        ]
        folder = tmp_path_factory.mktemp("prometheus")
        with running(folder, targets, rules=hastened(rules), every="500ms") as prometheus:
            return cause_every_fault(watched, prometheus)


def cause_every_fault(world: World, prometheus: Prometheus) -> Record:
    until(lambda: prometheus.targets_up() == 2, "both programs scraped")
    served = {SUFFIX.sub("", each) for each in prometheus.families()}
    # Before the first scrape the operator counts as down.
    until(lambda: not prometheus.query('ALERTS{alertstate="firing"}'), "an end of the first alerts")
    fires = Fires(prometheus)
    waiting = fill_the_queue(world)
    refuse_a_callback(world)
    lose_a_callback(world)
    fail_often(world, fires)
    fires.wait_for("MediaImportCallbacksRefused", "MediaImportCallbacksMissed", "MediaImportFailureRateHigh")
    fires.wait_for("MediaImportQueueWaitHigh", "MediaImportExpiringInQueue")
    empty_the_queue(world, waiting)
    fires.wait_for("MediaImportStartedAfterExpiry")
    denied = refuse_at_the_store(world)
    fires.wait_for("MediaImportStoreErrors")
    # Its next attempt would take the only slot.
    world.kubectl("delete", "mi", denied)
    refuse_a_job(world)
    refuse_a_callback(world)  # A second time: `increase` does not see a counter's first value.
    fires.wait_until_scraped("mediaimport_operator_jobs_refused_total > 0")
    fires.wait_until_scraped("increase(mediaimport_webhook_http_request_duration_seconds_count[2m]) > 0")
    shown = [(title, query, prometheus.query(as_sent(query, world.namespace))) for title, query in panels()]
    fail_at_the_webhook(world, fires)
    blind_the_webhook(world)
    world.scale("operator", 0)
    fires.wait_for("MediaImportWebhookCacheStale", "MediaImportOperatorDown")
    world.scale("webhook", 0)
    fires.wait_for("MediaImportWebhookDown")
    return Record(served, fires.seen(), shown)


@dataclass(frozen=True)
class Fires:
    """The alerts that have fired since this object was created."""

    prometheus: Prometheus
    since_s: float = field(default_factory=time.monotonic)

    def seen(self) -> set[str]:
        return self.prometheus.fired(within_s=time.monotonic() - self.since_s)

    def wait_for(self, *alerts: str) -> None:
        until(lambda: set(alerts) <= self.seen(), f"{alerts} firing")

    def wait_until_scraped(self, expression: str) -> None:
        until(lambda: bool(self.prometheus.query(expression)), expression)


def until(condition: Callable[[], bool], what: str, *, timeout_s: float = 40) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {timeout_s} s"
        time.sleep(0.2)


def as_sent(query: str, namespace: str) -> str:
    """Return a panel's query as Grafana sends it."""
    return query.replace("$namespace", namespace).replace("$__rate_interval", "2m")


# --- the faults ---


def fill_the_queue(world: World) -> tuple[str, str]:
    """Return a slow import, and one that is queued behind it with an expired source."""
    slow = world.create("slow", {"source": {"url": world.file_url(bytes_per_second=20_000)}})
    world.wait_for_phase(slow, "Importing")
    expired = (datetime.now(UTC) - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    waits = world.create("waits", {"source": {"url": world.file_url(), "expiresAt": expired}})
    return slow, waits


def empty_the_queue(world: World, names: tuple[str, str]) -> None:
    slow, waits = names
    world.kubectl("delete", "mi", slow, "--wait=false")
    world.wait_for_phase(waits, "Ready")


def refuse_a_callback(world: World) -> None:
    with world.installation.kube.forward(world.installation.webhook, 80, namespace=world.namespace) as url:
        assert httpx.post(f"{url}/api/v1/replicate/webhook", json={"id": "forged"}).status_code == 401


def lose_a_callback(world: World) -> None:
    """Create the MediaImport that recovery creates for a prediction without a callback."""
    recovered = world.manifest("recovered", {"source": {"url": "https://example.com/video.mp4"}, "suspend": True})
    recovered["metadata"]["labels"] = {LABEL_RECOVERED: "true"}
    world.kubectl("create", "-f", "-", given=json.dumps(recovered))


def fail_often(world: World, fires: Fires) -> None:
    """Create imports that fail without a Job; the first one creates the counter."""
    failures = 'mediaimport_operator_imports_completed_total{result="failed"}'
    impossible = {"source": {"url": "https://example.com/video.mp4"}, "metadata": {"long": "x" * 9000}}
    world.wait_for_phase(world.create("impossible", impossible), "Failed")
    fires.wait_until_scraped(failures)
    items = [world.manifest(f"impossible-{number}", impossible) for number in range(6)]
    world.kubectl("create", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    fires.wait_until_scraped(f"{failures} >= 7")


def refuse_at_the_store(world: World) -> str:
    """Return an import that the store refuses."""
    with world.store_setting("secret", f"{RELEASE}-store", "S3_SECRET_ACCESS_KEY", "wrong"):
        refused = world.create("denied", {"source": {"url": world.file_url()}})
        # Its attempts fail one after the other: the key may be replaced.
        world.wait_for_phase(refused, "Waiting")
    return refused


def refuse_a_job(world: World) -> None:
    with world.quota("count/jobs.batch=0"):
        refused = world.create("no-job", {"source": {"url": world.file_url()}})
        world.wait_until(
            lambda: "JobRefused" in json.dumps(world.get(refused).get("status", {})),
            "a refused Job",
            timeout_s=120,
        )


def fail_at_the_webhook(world: World, fires: Fires) -> None:
    """Call back for a generator that has no settings, until the alert fires: `rate` misses first values."""
    with world.installation.kube.forward(world.installation.webhook, 80, namespace=world.namespace) as url:

        def fires_after_an_error() -> bool:
            httpx.post(f"{url}/api/v1/fal/webhook", json={})
            return "MediaImportWebhookErrors" in fires.seen()

        until(fires_after_an_error, "MediaImportWebhookErrors firing")


def blind_the_webhook(world: World) -> None:
    """Remove the permission to watch and restart the webhook: it is alive, with an empty cache."""
    name = f"{RELEASE}-webhook"
    role = json.loads(world.kubectl("get", "role", name, "-o", "json"))
    kept = [rule for rule in role["rules"] if "mediaimports" not in rule["resources"]]
    world.kubectl("patch", "role", name, "--type=merge", "--patch", json.dumps({"rules": kept}))
    world.kubectl("delete", "pod", world.pod_of("webhook"), "--wait=false")


# --- the results ---


def test_every_alert_fires_once(record: Record, rules: Object) -> None:
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    assert record.fired == alerts - OF_OTHERS


def test_every_queried_metric_is_served(record: Record, rules: Object) -> None:
    queries = [query for _, query in panels()] + [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    named = {SUFFIX.sub("", name) for each in queries for name in METRIC.findall(each)}
    assert len(named) > 10
    assert named - record.served == set()


def test_no_panel_stays_empty(record: Record) -> None:
    PANELS.parent.mkdir(exist_ok=True)
    PANELS.write_text("".join(panel_text(*each) for each in record.shown))
    empty = [query for _, query, series in record.shown if all(math.isnan(value(each)) for each in series)]
    assert empty == []


def value(series: Object) -> float:
    return float(series["value"][1])


def panel_text(title: str, query: str, series: list[Object]) -> str:
    """Return a panel as text: its title, its query and the newest value of each series."""
    lines = [f"    {json.dumps(each['metric'])} {value(each):g}" for each in series]
    return "\n".join([title, f"  {query}", *(lines or ["    nothing"])]) + "\n"
