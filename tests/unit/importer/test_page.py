"""docs/importer.md, the page of formats, traps and attacks: written by these tests, held to them by this one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dev.generate.tested import Medium, Row, page

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.kept_files import KeptFile

UNIT = Path(__file__).resolve().parents[1]
FOLDERS = (UNIT / "importer", UNIT / "prober")
PAGE = UNIT.parents[1] / "docs" / "importer.md"


def written(items: Iterable[pytest.Function]) -> str:
    """Return the page, which is the same in whatever order the tests run."""
    ordered = sorted(items, key=_place)
    return page(media(ordered), kept(ordered), rows(ordered))


def _place(item: pytest.Function) -> tuple[Path, int, list[int], str]:
    """Return where a case stands: its file, its line, its places in the lists of parameters."""
    indices = list(item.callspec.indices.values()) if hasattr(item, "callspec") else []
    return item.path, item.function.__code__.co_firstlineno, indices, item.name


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
    params: list[dict[str, Any]] = [
        dict(item.callspec.params) if hasattr(item, "callspec") else {} for _, item in cases
    ]
    names = ("store", "plain_store", "any_store")
    servers = sorted({each[name] for each in params for name in names if name in each}, key=str.lower)
    mark = cases[0][0]
    return Row(mark.name, mark.args, test, len(cases) // max(1, len(servers)), tuple(servers))


def media(items: Iterable[pytest.Function]) -> list[Medium]:
    """Return the parameters of `test_format_is_detected_from_the_bytes`."""
    return [
        Medium(params["name"], *params["expected"])
        for params in _cases(items, "test_format_is_detected_from_the_bytes")
    ]


def kept(items: Iterable[pytest.Function]) -> list[Medium]:
    """Return the parameters of `test_file_is_kept_by_its_kind`."""
    files: list[KeptFile] = [params["kept"] for params in _cases(items, "test_file_is_kept_by_its_kind")]
    return [Medium(each.name, *each.expected, made=each.made, described=each.described) for each in files]


def _cases(items: Iterable[pytest.Function], test: str) -> list[dict[str, Any]]:
    return [dict(each.callspec.params) for each in items if each.originalname == test]


@pytest.fixture
def functions(request: pytest.FixtureRequest) -> list[pytest.Function]:
    """All tests of the importer and the prober, in the order in which they run."""
    items = [each for each in request.session.items if any(each.path.is_relative_to(folder) for folder in FOLDERS)]
    files = {file for folder in FOLDERS for file in folder.rglob("test_*.py")}
    if {item.path for item in items} != files or request.config.option.keyword:
        pytest.skip("the page needs all tests of the importer and the prober")
    return [each for each in items if isinstance(each, pytest.Function)]


def test_page_names_exactly_the_tests_that_exist(functions: list[pytest.Function]) -> None:
    expected = written(functions)
    if os.environ.get("WRITE_PAGES"):
        PAGE.write_text(expected)

    assert PAGE.read_text() == expected


def test_page_does_not_depend_on_the_order_of_the_tests(functions: list[pytest.Function]) -> None:
    assert written(reversed(functions)) == written(functions)
    assert written(sorted(functions, key=lambda item: item.name)) == written(functions)
