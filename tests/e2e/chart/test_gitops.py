"""The examples of docs/gitops.md: their values are accepted, and two renders are the same."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.installation.helm import CHART

if TYPE_CHECKING:
    from tests.support.installation.chart import Chart, Object

PAGE = CHART.parents[1] / "docs" / "gitops.md"


def examples() -> dict[str, Object]:
    """Return the objects of the page by kind."""
    texts = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return {each["kind"]: each for text in texts for each in yaml.safe_load_all(text)}


def release_of(example: Object) -> tuple[str, str, str, dict[str, Any]]:
    """Return name and namespace of the release, the chart's folder, and its values."""
    spec = example["spec"]
    if example["kind"] == "Application":
        source, helm = spec["source"], spec["source"]["helm"]
        return helm["releaseName"], spec["destination"]["namespace"], source["path"], helm["valuesObject"]
    name, namespace = example["metadata"]["name"], example["metadata"]["namespace"]
    return name, namespace, spec["chart"]["spec"]["chart"], spec["values"]


@pytest.mark.parametrize("kind", ["Application", "HelmRelease"])
def test_example_renders_the_same_twice(chart: Chart, kind: str) -> None:
    name, namespace, path, values = release_of(examples()[kind])
    options = ("--namespace", namespace, "--values", "-")
    texts = [
        chart.kube.helm("template", name, str(CHART.parents[1] / path), *options, given=json.dumps(values))
        for _ in range(2)
    ]
    assert texts[0] == texts[1]
    found = [each for each in yaml.safe_load_all(texts[0]) if each]
    assert [each["metadata"]["name"] for each in found if each["kind"] == "CronJob"] == ["mediaimport-recovery"]
    # What the examples keep out of Git is in no manifest.
    assert [each["metadata"]["name"] for each in found if each["kind"] == "Secret"] == []


def test_source_of_the_flux_example_is_on_the_page() -> None:
    found = examples()
    reference = found["HelmRelease"]["spec"]["chart"]["spec"]["sourceRef"]
    assert reference == {"kind": "GitRepository", "name": found["GitRepository"]["metadata"]["name"]}
