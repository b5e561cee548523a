"""The alerts, by promtool; and that every metric that they and the dashboard name is one that our programs serve."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from dev.install import CHART

if TYPE_CHECKING:
    from tests.e2e.chart.conftest import Chart

CASES = Path(__file__).parent / "alerts.yaml"
PROMTOOL = shutil.which("promtool") or "promtool: apt-get install prometheus"
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
    found = {
        rule["annotations"]["runbook_url"]
        for group in yaml.safe_load(rules(chart))["groups"]
        for rule in group["rules"]
    }
    assert {url.rpartition("#")[2] for url in found} <= headings
