from __future__ import annotations

from pathlib import Path
from typing import Any

from dev.coverage import DECISIONS, Branches, not_taken, per_package, table


def report(*, branches: int, taken: int, missing: tuple[tuple[int, int], ...] = ()) -> dict[str, Any]:
    summary = {"num_branches": branches, "covered_branches": taken}
    return {"summary": summary, "missing_branches": [list(each) for each in missing]}


FILES = {
    "operator/decide/plan.py": report(branches=10, taken=8, missing=((3, 7), (9, -1))),
    "operator/decide/retry.py": report(branches=6, taken=6),
    "webhook/app.py": report(branches=0, taken=0),
}


def test_branches_are_summed_per_package() -> None:
    assert per_package(FILES) == {"operator/decide": Branches(16, 14), "webhook": Branches(0, 0)}


def test_branches_that_no_test_takes_are_named() -> None:
    assert list(not_taken(FILES, ("webhook/", "operator/decide/"))) == [
        "operator/decide/plan.py:3 -> 7",
        "operator/decide/plan.py:9 -> -1",
    ]
    assert list(not_taken(FILES, ("webhook/",))) == []


def test_all_places_of_decisions_exist() -> None:
    root = Path(__file__).parents[3]
    for place in DECISIONS:
        assert (root / place).is_dir() if place.endswith("/") else (root / place).is_file()


def test_package_without_branches_is_covered_and_the_sum_comes_last() -> None:
    assert list(table(per_package(FILES))) == [
        "operator/decide     14 of    16   87.5 %",
        "webhook              0 of     0  100.0 %",
        "all                 14 of    16   87.5 %",
    ]
