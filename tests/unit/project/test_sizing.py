"""The figures of docs/sizing.md: those of the chart's values and of the last benchmarks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/sizing.md").read_text()
VALUES: dict[str, Any] = yaml.safe_load((ROOT / "charts/mediaimport/values.yaml").read_text())
MIB = {"Mi": 1, "Gi": 1024}


def mebibytes(quantity: str) -> int:
    return int(quantity[:-2]) * MIB[quantity[-2:]]


def row(name: str) -> list[str]:
    (cells,) = re.findall(rf"^\| {name} \| (.*) \|$", PAGE, re.MULTILINE)
    return str(cells).split(" | ")


def resources(name: str) -> list[str]:
    found = VALUES[name]["resources"]
    return [found["requests"]["cpu"], found["requests"]["memory"], found["limits"]["memory"]]


@pytest.mark.parametrize("name", ["importer", "prober", "operator", "webhook"])
def test_resources_are_those_of_the_values(name: str) -> None:
    assert row(name) == resources(name)


def test_pod_of_an_import_is_the_sum_of_its_containers() -> None:
    importer, prober = resources("importer"), resources("prober")

    cpu = sum(int(each[0].removesuffix("m")) for each in (importer, prober))
    memory, limit = (sum(mebibytes(each[place]) for each in (importer, prober)) for place in (1, 2))
    assert row("pod of an import") == [f"{cpu}m", f"{memory}Mi", f"{limit}Mi"]


def test_defaults_that_the_page_names_are_those_of_the_values() -> None:
    assert f"`operator.maxInFlight` ({VALUES['operator']['maxInFlight']})" in PAGE
    assert f"`importer.scratchSize` ({VALUES['importer']['scratchSize']})" in PAGE
