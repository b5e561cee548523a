"""The chart as the dependency of another one."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.installation.helm import CHART

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.installation.chart import Chart, Object

Values = dict[str, Any]
STORE = {"s3": {"bucket": "media"}}
REGISTRY = {"imageRegistry": "registry.example.com", "of": {"another": "chart"}}
UIDS = ("runAsUser", "runAsGroup", "fsGroup")


@dataclass(frozen=True)
class Parent:
    """A chart whose only dependency is ours, under the condition `mediaimport.enabled`."""

    chart: Chart
    folder: Path

    def objects(self, values: Values) -> list[Object]:
        """Return the manifests, with these values in the parent's values.yaml."""
        (self.folder / "values.yaml").write_text(yaml.safe_dump({"global": REGISTRY, **values}))
        return [each for each in yaml.safe_load_all(self.chart.kube.helm("template", "p", str(self.folder))) if each]


@pytest.fixture
def parent(chart: Chart, tmp_path: Path) -> Parent:
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    dependency = {"name": "mediaimport", "version": version, "condition": "mediaimport.enabled"}
    about = {"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": [dependency]}
    (tmp_path / "Chart.yaml").write_text(yaml.safe_dump(about))
    shutil.copytree(CHART, tmp_path / "charts" / "mediaimport")
    return Parent(chart, tmp_path)


def test_condition_of_the_parent_enables_the_chart(parent: Parent) -> None:
    kinds = {each["kind"] for each in parent.objects({"mediaimport": {"enabled": True, **STORE}})}
    assert {"Deployment", "CustomResourceDefinition"} <= kinds
    assert parent.objects({"mediaimport": {"enabled": False, **STORE}}) == []


def test_registry_of_the_parent_is_the_images(parent: Parent) -> None:
    images = [
        container["image"].partition(":")[0]
        for each in parent.objects({"mediaimport": STORE})
        if each["kind"] in {"Deployment", "Job"}
        for container in each["spec"]["template"]["spec"]["containers"]
    ]
    assert images == ["registry.example.com/mediaimport"] * 3


def test_empty_uids_of_the_parent_leave_the_uids_to_the_namespace(parent: Parent) -> None:
    empty = {"runAsUser": "", "importer": {"runAsUser": "", "proberRunAsUser": ""}, **STORE}
    deployments = [each for each in parent.objects({"mediaimport": empty}) if each["kind"] == "Deployment"]
    security = [each["spec"]["template"]["spec"]["securityContext"] for each in deployments]
    assert [each for each in security if any(uid in each for uid in UIDS)] == []
    variables = {
        each["name"]: each.get("value")
        for deployment in deployments
        for each in deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    }
    assert (variables["IMPORTER_UID"], variables["PROBER_UID"]) == ("0", "0")
    assert len(security) == 2
