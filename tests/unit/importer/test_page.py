"""docs/importer.md, the page of formats, traps and attacks: written by these tests, held to them by this one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dev.generate.tested import Medium, Row, page

if TYPE_CHECKING:
    from collections.abc import Iterable

UNIT = Path(__file__).resolve().parents[1]
FOLDERS = (UNIT / "importer", UNIT / "prober")
PAGE = UNIT.parents[1] / "docs" / "importer.md"


def rows(items: Iterable[pytest.Function]) -> list[Row]:
    """Return a row for each marked test, however many cases it has."""
    found: dict[str, list[tuple[pytest.Mark, pytest.Function]]] = {}
    for item in items:
        test = f"{item.path.relative_to(UNIT)}::{item.originalname}"
        marks = [mark for kind in ("trap", "attack") for mark in item.iter_markers(kind)]
        for mark in marks:
            found.setdefault(test, []).append((mark, item))
    return [_row(test, cases) for test, cases in sorted(found.items())]


def _row(test: str, cases: list[tuple[pytest.Mark, pytest.Function]]) -> Row:
    params = [item.callspec.params if hasattr(item, "callspec") else {} for _, item in cases]
    names = ("store", "plain_store", "any_store")
    servers = sorted({each[name] for each in params for name in names if name in each}, key=str.lower)
    mark = cases[0][0]
    return Row(mark.name, mark.args, test, len(cases) // max(1, len(servers)), tuple(servers))


def media(items: Iterable[pytest.Function]) -> list[Medium]:
    """Return the parameters of `test_format_is_detected_from_the_bytes`."""
    cases = [each.callspec.params for each in items if each.originalname == "test_format_is_detected_from_the_bytes"]
    return [Medium(params["name"], *params["expected"]) for params in cases]


def test_page_names_exactly_the_tests_that_exist(request: pytest.FixtureRequest) -> None:
    items = [each for each in request.session.items if any(each.path.is_relative_to(folder) for folder in FOLDERS)]
    files = {file for folder in FOLDERS for file in folder.rglob("test_*.py")}
    if {item.path for item in items} != files or request.config.option.keyword:
        pytest.skip("the page needs all tests of the importer and the prober")
    functions = [each for each in items if isinstance(each, pytest.Function)]
    expected = page(media(functions), rows(functions))
    if os.environ.get("WRITE_PAGES"):
        PAGE.write_text(expected)

    assert PAGE.read_text() == expected
