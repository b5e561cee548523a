"""The page of kinds, traps and attacks: written by these tests, held to them by this one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dev.generate.tested import Medium, Row, page

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOM = Path(__file__).parent
ROOT = ROOM.parents[2]
PAGE = ROOT / "docs" / "importer.md"


def rows(items: Iterable[pytest.Item]) -> list[Row]:
    """Return a row for each marked test, however many cases it has."""
    found: dict[str, list[tuple[pytest.Mark, pytest.Function]]] = {}
    for item in items:
        if isinstance(item, pytest.Function):
            test = f"{item.path.relative_to(ROOM)}::{item.originalname}"
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


def media(items: Iterable[pytest.Item]) -> list[Medium]:
    """Return what `test_kind_is_told_by_the_bytes` is tried with."""
    told = [
        item.callspec.params
        for item in items
        if isinstance(item, pytest.Function) and item.originalname == "test_kind_is_told_by_the_bytes"
    ]
    return [Medium(params["name"], *params["told"]) for params in told]


def test_page_names_exactly_the_tests_that_there_are(request: pytest.FixtureRequest) -> None:
    items = [item for item in request.session.items if item.path.is_relative_to(ROOM)]
    if {item.path for item in items} != set(ROOM.rglob("test_*.py")) or request.config.option.keyword:
        pytest.skip("it takes all tests of this folder to know them")
    expected = page(media(items), rows(items))
    if os.environ.get("WRITE_PAGES"):
        PAGE.write_text(expected)

    assert PAGE.read_text() == expected
