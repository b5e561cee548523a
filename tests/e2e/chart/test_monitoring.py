"""The alerts in promtool: each fires in its case only, and links to an existing heading."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tests.support.installation.helm import CHART
from tests.support.prometheus import PROMTOOL

if TYPE_CHECKING:
    from tests.support.installation.chart import Chart

CASES = Path(__file__).parent / "alerts.yaml"
OPERATE = CHART.parents[1] / "docs" / "operate.md"


def rules(chart: Chart) -> str:
    return yaml.safe_dump(chart.rules())


def test_each_alert_fires_in_its_case_only(chart: Chart, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(rules(chart))
    shutil.copy(CASES, tmp_path)
    for command in (("check", "rules", "rules.yaml"), ("test", "rules", "alerts.yaml")):
        done = subprocess.run((PROMTOOL, *command), cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case(chart: Chart) -> None:
    names = {rule["alert"] for group in chart.rules()["groups"] for rule in group["rules"]}
    assert {name for name in names if name not in CASES.read_text()} == set()


def test_every_runbook_is_a_heading_of_the_docs(chart: Chart) -> None:
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in OPERATE.read_text().splitlines()
        if line.startswith("#")
    }
    found = annotations_of(chart, "monitoring.rules.runbookUrl=https://wiki.example.com/operate")
    assert {each["runbook"].removeprefix("docs/operate.md#") for each in found} <= headings
    for each in found:
        page, _, heading = each["runbook_url"].partition("#")
        assert (page, heading) == ("https://wiki.example.com/operate", each["runbook"].partition("#")[2])


def test_disabled_alert_is_left_out(chart: Chart) -> None:
    every, fewer = names(chart), names(chart, "monitoring.rules.disabled={MediaImportQueueWaitHigh}")
    assert set(every) - set(fewer) == {"MediaImportQueueWaitHigh"}
    assert len(fewer) == len(every) - 1


def test_thresholds_are_those_of_the_values(chart: Chart) -> None:
    settings = [f"monitoring.rules.thresholds.{each}" for each in ("queueWaitSeconds=61", "failurePercent=50")]
    expressions = {each["alert"]: each["expr"] for group in chart.rules(*settings)["groups"] for each in group["rules"]}
    assert expressions["MediaImportQueueWaitHigh"].endswith("> 61")
    assert "> 0.5" in expressions["MediaImportFailureRateHigh"]


def names(chart: Chart, *settings: str) -> list[str]:
    return [each["alert"] for group in chart.rules(*settings)["groups"] for each in group["rules"]]


def test_alerts_have_no_runbook_url_without_the_value(chart: Chart) -> None:
    assert [each for each in annotations_of(chart) if "runbook_url" in each] == []


def annotations_of(chart: Chart, *settings: str) -> list[dict[str, str]]:
    return [each["annotations"] for group in chart.rules(*settings)["groups"] for each in group["rules"]]
