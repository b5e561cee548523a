"""Version of the project: one source, and the same value everywhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from mediaimport_api import __version__
from mediaimport_importer.source import http

from dev.release import version

ROOT = Path(__file__).parents[3]


def test_chart_and_the_images_that_it_asks_for_are_of_the_version() -> None:
    chart = yaml.safe_load((ROOT / "charts/mediaimport/Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


def test_both_images_have_the_version() -> None:
    stages = (ROOT / "Dockerfile").read_text().split("\nFROM ")
    labels = [
        re.findall(r'image\.version="(.*?)"', stage) for stage in stages if re.search(r" AS mediaimport\S*\n", stage)
    ]
    assert labels == [[__version__], [__version__]]


def test_sources_see_which_version_asks_them() -> None:
    assert http._HEADERS["User-Agent"] == f"MediaImport/{__version__}"


def test_changelog_is_open_or_tells_of_the_version() -> None:
    headings = re.findall(r"^## (?:\[?(\d\S*?)\]? |Unreleased)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] in {"", __version__}


def test_version_is_written_to_each_place_of_a_text() -> None:
    text = "version: 0.1.0\nappVersion: 0.1.0-rc.1\nkubeVersion: 1.33.0\n"
    carried = version.carried(text, r"^(?:version|appVersion): ", 2, "1.2.3")
    assert carried == "version: 1.2.3\nappVersion: 1.2.3\nkubeVersion: 1.33.0\n"


def test_no_page_keeps_a_version_that_a_release_would_forget() -> None:
    pages = [
        ROOT / "README.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "examples").iterdir(),
        *ROOT.glob("charts/**/*.yaml"),
    ]
    # The changelog of old releases, and the steps to the next one.
    named = {str(page.relative_to(ROOT)) for page in pages if page.name != "release.md"}
    pattern = re.compile(rf"(?<![\d.]){re.escape(__version__)}(?!\.?\d)")
    found = {name: len(pattern.findall((ROOT / name).read_text())) for name in named}
    places = {name: count for name, (_, count) in version.PLACES.items() if name in named}
    assert {name: count for name, count in found.items() if count} == places


def test_missing_place_is_an_error() -> None:
    with pytest.raises(ValueError, match="is 0 times"):
        version.carried("no version here", "version: ", 1, "1.2.3")
