"""The alerts in promtool: each fires in its case only, reads existing metrics, and links to its runbook section."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.support.installation.helm import CHART
from tests.support.prometheus import PROMTOOL

if TYPE_CHECKING:
    from tests.support.installation.chart import Chart

CASES = Path(__file__).parent / "alerts.yaml"
RUNBOOK = CHART.parents[1] / "docs" / "runbook.md"
PARTS = ("Meaning", "Impact", "Diagnosis", "Mitigation")
METRIC = re.compile(r"\b(?:mediaimport|kube)_[a-z_]+")
OTHERS = {"kube_cronjob_status_last_successful_time", "kube_cronjob_created"}
"""Metrics of kube-state-metrics, as its documentation names them."""


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


def sections() -> dict[str, str]:
    """Return the runbook's sections by the anchor of their heading."""
    found = re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", RUNBOOK.read_text(), re.MULTILINE | re.DOTALL)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-"): text for heading, text in found}


def test_every_alert_has_a_section_of_the_runbook_with_four_parts(chart: Chart) -> None:
    found = sections()
    assert {each.lower() for each in names(chart)} == set(found)
    for text in found.values():
        assert tuple(re.findall(r"^\*\*(\w+)\.\*\* \S", text, re.MULTILINE)) == PARTS
        diagnosis = text.partition("**Diagnosis.**")[2].partition("**Mitigation.**")[0]
        assert "```sh\n" in diagnosis


def test_every_alert_links_to_its_section(chart: Chart) -> None:
    settings = "monitoring.rules.runbookUrl=https://wiki.example.com/runbook"
    for rule in rules_of(chart, settings):
        anchor, annotations = rule["alert"].lower(), rule["annotations"]
        assert anchor in sections()
        assert annotations["runbook"] == f"docs/runbook.md#{anchor}"
        assert annotations["runbook_url"] == f"https://wiki.example.com/runbook#{anchor}"


def test_every_metric_of_the_alerts_is_one_that_the_programs_declare(chart: Chart) -> None:
    """test_prometheus.py asks running programs for the same."""
    read = {metric for rule in rules_of(chart) for metric in METRIC.findall(rule["expr"])}
    assert {each for each in read if each.startswith("kube_")} == OTHERS
    own = read - OTHERS
    assert len(own) > 8
    assert [each for each in sorted(own) if not is_declared(each)] == []


def is_declared(metric: str) -> bool:
    """Return whether the program of the metric's prefix declares a metric of this name, a counter without `_total`."""
    _, program, name = metric.split("_", 2)
    name = re.sub(r"_(total|bucket|sum|count)$", "", name)
    code = "".join(each.read_text() for each in (CHART.parents[1] / program).rglob("*.py"))
    return re.search(rf'[(,]\s*(?:f"{{_PREFIX}})?"?{name}",', code) is not None


def rules_of(chart: Chart, *settings: str) -> list[dict[str, Any]]:
    return [each for group in chart.rules(*settings)["groups"] for each in group["rules"]]


def test_no_webhook_is_no_webhook_that_is_down(chart: Chart) -> None:
    """Without a webhook its absence would be an alert for ever; a list of disabled alerts may name it all the same."""
    settings = ("webhook.enabled=false", "monitoring.rules.disabled={MediaImportWebhookDown}")
    assert set(names(chart)) - set(names(chart, settings[0])) == {"MediaImportWebhookDown"}
    assert set(names(chart)) - set(names(chart, *settings)) == {"MediaImportWebhookDown"}


def test_disabled_alert_is_left_out(chart: Chart) -> None:
    every, fewer = names(chart), names(chart, "monitoring.rules.disabled={MediaImportQueueWaitHigh}")
    assert set(every) - set(fewer) == {"MediaImportQueueWaitHigh"}
    assert len(fewer) == len(every) - 1


THRESHOLDS = (
    "queueWaitSeconds=61",
    "failurePercent=50",
    "webhookErrorPercent=25",
    "webhookErrors=9",
    "recoverySeconds=62",
)


def test_thresholds_are_those_of_the_values(chart: Chart) -> None:
    settings = [f"monitoring.rules.thresholds.{each}" for each in THRESHOLDS]
    expressions = {each["alert"]: each["expr"] for each in rules_of(chart, *settings)}
    assert expressions["MediaImportQueueWaitHigh"].endswith("> 61")
    assert "> 0.5" in expressions["MediaImportFailureRateHigh"]
    assert "> 0.25\n" in expressions["MediaImportWebhookErrors"]
    assert expressions["MediaImportWebhookErrors"].endswith("> 9\n")
    assert expressions["MediaImportRecoveryFailing"].endswith("> 62\n")


def names(chart: Chart, *settings: str) -> list[str]:
    return [each["alert"] for each in rules_of(chart, *settings)]


def test_alerts_have_no_runbook_url_without_the_value(chart: Chart) -> None:
    assert [each for each in annotations_of(chart) if "runbook_url" in each] == []


def annotations_of(chart: Chart, *settings: str) -> list[dict[str, str]]:
    return [each["annotations"] for each in rules_of(chart, *settings)]
