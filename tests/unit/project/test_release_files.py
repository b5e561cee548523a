"""Files by which others trust a release: workflows, policies, the chart's description."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yaml"))
BASE = re.findall(r"^ARG DEBIAN=(.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[0]
CHART: dict[str, Any] = yaml.safe_load((ROOT / "charts/mediaimport/Chart.yaml").read_text())


def jobs(file: Path) -> dict[str, dict[str, Any]]:
    loaded: dict[str, dict[str, Any]] = yaml.safe_load(file.read_text())["jobs"]
    return loaded


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_workflow_pins_what_it_uses_and_may_only_read(file: Path) -> None:
    used = re.findall(r"uses: (.*)", file.read_text())
    others = [each for each in used if not each.startswith("./")]
    assert others
    assert [each for each in others if not re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)] == []
    assert yaml.safe_load(file.read_text())["permissions"] == {"contents": "read"}


def test_workflow_runs_what_continuous_integration_runs_elsewhere_on_the_images_base() -> None:
    test = jobs(ROOT / ".github/workflows/ci.yaml")["test"]
    assert [step["run"] for step in test["steps"] if step.get("name") == "Run the tests"] == [".ci/run"]
    assert test["container"]["image"] == BASE


def test_release_builds_each_target_for_both_architectures_once_the_tests_pass() -> None:
    build = jobs(ROOT / ".github/workflows/release.yaml")["build"]
    assert build["strategy"]["matrix"] == {
        "image": ["mediaimport", "mediaimport-ffmpeg"],
        "architecture": ["amd64", "arm64"],
    }
    assert "test" in build["needs"]


def test_every_published_artifact_is_signed_and_has_provenance() -> None:
    steps = jobs(ROOT / ".github/workflows/release.yaml")["publish"]["steps"]
    attested = {
        step["with"]["subject-name"].rpartition("}}/")[2] for step in steps if "subject-name" in step.get("with", {})
    }
    assert attested == {"mediaimport", "mediaimport-ffmpeg", "charts/mediaimport"}
    signing = "\n".join(step.get("run", "") for step in steps)
    assert signing.count("cosign sign --yes") == 2  # the images in a loop, and the chart


def test_charts_description_names_images_and_kinds_of_this_version() -> None:
    images = {each["name"]: each["image"] for each in yaml.safe_load(CHART["annotations"]["artifacthub.io/images"])}
    assert images == {name: f"{name}:{CHART['version']}" for name in ("mediaimport", "mediaimport-ffmpeg")}
    definition = yaml.safe_load((ROOT / "crds/mediaimports.yaml").read_text())
    (kind,) = yaml.safe_load(CHART["annotations"]["artifacthub.io/crds"])
    assert (kind["kind"], kind["name"]) == (definition["spec"]["names"]["kind"], definition["metadata"]["name"])
    assert kind["version"] in {each["name"] for each in definition["spec"]["versions"]}


def test_hooks_run_programs_that_the_environment_has() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    programs = {each["entry"].split()[0].removeprefix(".venv/bin/") for each in hooks}
    group = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
    packages = {re.split(r"[\[=<>]", each)[0] for each in group}
    assert programs - {"make", "lint-imports"} <= packages
    assert "import-linter" in packages  # which brings lint-imports


def test_dependencies_that_the_robot_updates_are_there() -> None:
    managers = set(json.loads((ROOT / "renovate.json").read_text())["enabledManagers"])
    assert managers == {"dockerfile", "github-actions", "gomod", "npm"}
    assert list((ROOT / "dev/cluster/programs/modules").glob("*/go.mod"))
    assert (ROOT / "clients/typescript/package-lock.json").exists()
