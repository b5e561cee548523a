"""The alerts, by promtool; and that every metric that they and the dashboard name is one that our programs serve."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import yaml

from dev.install import CHART

if TYPE_CHECKING:
    from collections.abc import Iterator

    from world import World

    from tests.e2e.chart.conftest import Chart

CASES = Path(__file__).parent / "alerts.yaml"
PROMTOOL = shutil.which("promtool") or "promtool: apt-get install prometheus"
PROMETHEUS = shutil.which("prometheus") or "prometheus: apt-get install prometheus"
METRIC = re.compile(r"\bmediaimport_[a-z_]+")
SUFFIX = re.compile(r"_(total|bucket|sum|count|created)$")
OPERATE = CHART.parents[1] / "docs" / "operate.md"


def rules(chart: Chart) -> str:
    (rule,) = chart.of("PrometheusRule", "monitoring.rules.enabled=true")
    return yaml.safe_dump(rule["spec"])


def test_each_alert_fires_when_it_should_and_only_then(chart: Chart, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(rules(chart))
    shutil.copy(CASES, tmp_path)
    for command in (("check", "rules", "rules.yaml"), ("test", "rules", "alerts.yaml")):
        done = subprocess.run((PROMTOOL, *command), cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_no_alert_is_without_a_case(chart: Chart) -> None:
    names = {rule["alert"] for group in yaml.safe_load(rules(chart))["groups"] for rule in group["rules"]}
    assert {name for name in names if name not in CASES.read_text()} == set()


def test_every_runbook_is_a_heading_of_the_docs(chart: Chart) -> None:
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in OPERATE.read_text().splitlines()
        if line.startswith("#")
    }
    found = annotations(chart, "monitoring.rules.runbookUrl=https://wiki.example.com/operate")
    assert {each["runbook"].removeprefix("docs/operate.md#") for each in found} <= headings
    for each in found:
        page, _, heading = each["runbook_url"].partition("#")
        assert (page, heading) == ("https://wiki.example.com/operate", each["runbook"].partition("#")[2])


def test_no_alert_has_an_address_that_nobody_named(chart: Chart) -> None:
    assert [each for each in annotations(chart) if "runbook_url" in each] == []


def annotations(chart: Chart, *settings: str) -> list[dict[str, str]]:
    (rule,) = chart.of("PrometheusRule", "monitoring.rules.enabled=true", *settings)
    return [each["annotations"] for group in rule["spec"]["groups"] for each in group["rules"]]


def expressions(chart: Chart) -> list[str]:
    """Return all that rules and dashboard ask, as Grafana would send it."""
    dashboard = json.loads((CHART / "files" / "dashboard.json").read_text())
    panels = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    alerts = [rule["expr"] for group in yaml.safe_load(rules(chart))["groups"] for rule in group["rules"]]
    return [each.replace("$namespace", "own").replace("$__rate_interval", "1m") for each in [*panels, *alerts]]


@contextmanager
def prometheus(folder: Path, targets: list[str]) -> Iterator[httpx.Client]:
    """Run a Prometheus that scrapes these addresses every second."""
    config = {
        "global": {"scrape_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [{"job_name": "mediaimport", "static_configs": [{"targets": targets}]}],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        PROMETHEUS,
        "--config.file=prometheus.yaml",
        "--storage.tsdb.path=data",
        f"--web.listen-address={address}",
    ]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) as process,
        httpx.Client(base_url=f"http://{address}/api/v1") as client,
    ):
        try:
            yield client
        finally:
            process.terminate()


def scraped(client: httpx.Client, targets: int) -> bool:
    try:
        active = client.get("/targets").json()["data"]["activeTargets"]
    except (httpx.HTTPError, ValueError):  # it starts
        return False
    return [each["health"] for each in active] == ["up"] * targets


def test_every_metric_that_is_asked_for_is_served_to_a_real_prometheus(
    chart: Chart, world: World, tmp_path: Path
) -> None:
    (tmp_path / "rules.yaml").write_text(rules(chart))
    kube, release = world.installation.kube, world.installation.release
    asked = expressions(chart)
    with (
        kube.forward(f"service/{release}-operator-metrics", 9090, namespace=world.namespace) as operator,
        kube.forward(f"service/{release}-webhook-metrics", 9090, namespace=world.namespace) as shim,
        prometheus(tmp_path, [operator.removeprefix("http://"), shim.removeprefix("http://")]) as client,
    ):
        deadline = time.monotonic() + 20
        while not scraped(client, targets=2):
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.2)
        answers: list[Any] = [client.get("/query", params={"query": each}).json() for each in asked]
        families = {SUFFIX.sub("", each["metric"]) for each in client.get("/targets/metadata").json()["data"]}
    assert [answer for answer in answers if answer["status"] != "success"] == []
    named = {SUFFIX.sub("", name) for each in asked for name in METRIC.findall(each)}
    assert len(named) > 10
    assert named - families == set()
