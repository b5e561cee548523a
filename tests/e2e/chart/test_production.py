"""The values of docs/production.md: accepted, with a limit of CPU for each container, within the quota of the page."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.installation.helm import CHART

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.installation.chart import Chart, Object

PAGE = CHART.parents[1] / "docs" / "production.md"
SLOTS = 20


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    """The values of the page."""
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


@pytest.fixture(scope="module")
def manifests(chart: Chart, values: dict[str, Any]) -> list[Object]:
    """The manifests with these values."""
    options = ("--namespace", "mediaimport", "--values", "-")
    text = chart.kube.helm("template", "mediaimport", str(CHART), *options, given=json.dumps(values))
    return [each for each in yaml.safe_load_all(text) if each]


def pods(manifests: list[Object]) -> Iterator[tuple[str, Object]]:
    """Yield name and pod of each workload; those of `helm test` are Pods themselves."""
    for each in manifests:
        spec = each.get("spec", {}).get("jobTemplate", each).get("spec", {})
        if "template" in spec:
            yield each["metadata"]["name"], spec["template"]["spec"]


def test_every_container_has_a_limit_of_cpu(manifests: list[Object]) -> None:
    found = {
        f"{name}/{container['name']}": container["resources"]["limits"]
        for name, pod in pods(manifests)
        for container in [*pod.get("initContainers", []), *pod["containers"]]
    }
    # Operator, webhook, recovery, the Job of the first Secrets.
    assert len(found) == 4
    assert [name for name, limits in found.items() if "cpu" not in limits or "memory" not in limits] == []


def test_import_jobs_have_limits_of_cpu(values: dict[str, Any], manifests: list[Object]) -> None:
    (operator,) = [pod for name, pod in pods(manifests) if name.endswith("-operator")]
    variables = json.dumps(operator["containers"][0]["env"])
    for program in ("importer", "prober"):
        limit = values[program]["resources"]["limits"]["cpu"]
        assert json.dumps(f'"cpu":"{limit}"')[1:-1] in variables, program


def test_sums_of_the_quota_are_those_of_the_chart(values: dict[str, Any]) -> None:
    chart = yaml.safe_load((CHART / "values.yaml").read_text())
    assert values["operator"]["maxInFlight"] == SLOTS

    def total(kind: str, resource: str) -> int:
        return SLOTS * sum(amount(chart[each]["resources"][kind][resource]) for each in ("importer", "prober"))

    shown = dict(
        re.findall(r"^\| `((?:requests|limits)\.\w+)` \|.*\| (\S+(?: Mi)?) \|$", PAGE.read_text(), re.MULTILINE)
    )
    assert {name: amount(text.replace(" ", "")) for name, text in shown.items()} == {
        "requests.cpu": total("requests", "cpu"),
        "requests.memory": total("requests", "memory"),
        "limits.memory": total("limits", "memory"),
    }


def amount(quantity: str) -> int:
    """Return a quantity in thousandths of a CPU, or in Mi."""
    number, unit = re.fullmatch(r"(\d+)(m|Mi|Gi|)", quantity).groups()  # type: ignore[union-attr]
    return int(number) * {"m": 1, "Mi": 1, "Gi": 1024, "": 1000}[unit]
