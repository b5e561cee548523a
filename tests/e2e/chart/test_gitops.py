"""docs/gitops.md: the examples render the same twice, and manifests that are only applied import and change nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from dev.cluster.kubectl import Kube
from tests.support.installation.helm import CHART, Installation, Values, merged, values_of
from tests.support.replicate.manifest import StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.installation.chart import Chart, Object
    from tests.support.installation.world import World

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


@dataclass(frozen=True)
class Applied:
    """Manifests of the chart that were applied as Argo CD does: server-side, without a release of Helm."""

    kube: Kube
    namespace: str
    values: Values
    text: str

    @property
    def objects(self) -> list[Object]:
        """Manifests without hooks: Argo CD ignores that of `helm test`."""
        found = [each for each in yaml.safe_load_all(self.text) if each]
        return [each for each in found if "helm.sh/hook" not in each["metadata"].get("annotations", {})]

    def apply(self) -> dict[str, int]:
        """Apply the manifests; return the generation of each object that has one."""
        manifests = json.dumps({"apiVersion": "v1", "kind": "List", "items": self.objects})
        manager = ("--server-side", "--field-manager=argocd-controller", "--output=json")
        applied = json.loads(self.kube.kubectl("apply", *manager, "--filename=-", given=manifests))["items"]
        return {
            f"{each['kind']}/{each['metadata']['name']}": each["metadata"]["generation"]
            for each in applied
            if "generation" in each["metadata"]
        }


@pytest.fixture
def applied(environment: dict[str, str], world: World) -> Iterator[Applied]:
    """Manifests in a namespace of their own; `world` brings the resource definition."""
    kube, installation = Kube(environment), Installation(Kube(environment), f"{world.namespace}-gitops")
    namespace = installation.namespace
    kube.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait")
    kube.kubectl("create", "namespace", namespace)
    values = values_of(environment, installation, StandIn("nowhere", "127.0.0.1"))
    chosen = merged(values, {"crds": {"enabled": False}})
    options = ("--namespace", namespace, "--values", "-")
    text = kube.helm("template", installation.release, str(CHART), *options, given=json.dumps(chosen))
    yield Applied(kube, namespace, chosen, text)
    kube.kubectl("delete", "namespace", namespace, "--wait=false")


def test_second_server_side_apply_changes_nothing_and_the_check_of_the_page_passes(
    applied: Applied, tmp_path: Path
) -> None:
    kube, namespace = applied.kube, applied.namespace
    first = applied.apply()
    for component in ("operator", "webhook"):
        kube.wait_for_rollout(f"mediaimport-{component}", namespace=namespace)
    token = kube.get("secret", "mediaimport-first-token", namespace=namespace)["data"]

    assert {"NetworkPolicy/mediaimport-importer", "Deployment/mediaimport-webhook"} <= set(first)
    assert applied.apply() == first
    assert kube.get("secret", "mediaimport-first-token", namespace=namespace)["data"] == token

    (tmp_path / "values.yaml").write_text(json.dumps(applied.values))
    (commands,) = re.findall(r"```sh\n(.*?)```", PAGE.read_text().partition("\n## Check\n")[2], re.DOTALL)
    script = commands.replace("charts/mediaimport", str(CHART)).replace(
        "--namespace mediaimport", f"--namespace {namespace}"
    )
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path, env=os.environ | kube.variables, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✓ test import succeeds" in done.stdout
    assert "✗" not in done.stdout
    assert kube.kubectl("get", "pods", "--output=name", namespace=namespace).count("pod/mediaimport-test") == 0
