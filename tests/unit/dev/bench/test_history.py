from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from dev.bench import __main__ as command
from dev.bench import figures, history, performance
from dev.bench.figures import Bar, Figure
from dev.bench.history import Run

if TYPE_CHECKING:
    from pathlib import Path

MACHINE = {"processor": "Xeon", "cores": 2, "memory_gb": 25.0, "kernel": "6.1.0", "load_before": 0.5}


def row(figure: str, value: float, *, holds: bool | None = None) -> dict[str, Any]:
    return {"figure": figure, "value": value, "unit": "s", "limit": None, "bar": "≤ 2", "holds": holds}


def run(name: str, *rows: dict[str, Any], form: dict[str, int] | None = None) -> Run:
    return Run(name, "2026-01-01T00:00:00+00:00", "abc1234", MACHINE, form or {}, rows)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(figures, "FOLDER", tmp_path)
    return tmp_path


def test_run_is_read_as_it_was_recorded(tmp_path: Path) -> None:
    file = tmp_path / "bench" / "history.jsonl"
    for value in (1.0, 2.0):
        history.append("burst", form={"callbacks": 10}, figures=[row("p99", value)], load_before=0.5, file=file)
    runs = history.read(file)
    assert [each.figures[0]["value"] for each in runs] == [1.0, 2.0]
    assert runs[0].form == {"callbacks": 10}
    assert runs[0].machine["cores"] >= 1
    assert runs[0].machine["load_before"] == 0.5
    assert runs[0].commit


def test_there_is_no_history_before_the_first_run(tmp_path: Path) -> None:
    assert history.read(tmp_path / "history.jsonl") == []


@pytest.mark.parametrize(("value", "status"), [(2.0, 0), (2.1, 1)])
@pytest.mark.usefixtures("folder")
def test_missed_bar_ends_with_status_1_and_is_recorded(
    value: float, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded: list[list[dict[str, Any]]] = []
    monkeypatch.setattr(history, "append", lambda _, *, form, figures, load_before: recorded.append(figures))  # noqa: ARG005 - as append
    sheet = figures.report("burst", [Figure("p99", value, "s", None, Bar(2))])
    assert command.finish(sheet, load_before=0.5) == status
    assert ("missed its bar: p99" in capsys.readouterr().err) is bool(status)
    assert recorded[0][0]["value"] == value


def test_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main("speed") == 2
    assert "burst|catalogue|events" in capsys.readouterr().err


def test_page_has_the_last_run_with_the_one_before_of_the_same_sizes() -> None:
    small, large = {"callbacks": 10}, {"callbacks": 1000}
    page = performance.page(
        [
            run("burst", row("p99", 1.0), form=large),
            run("burst", row("p99", 9.0), form=small),
            run("burst", row("p99", 21.8, holds=False), form=large),
        ]
    )
    assert "| p99 | 21.8 | s |  | ≤ 2 | **no** | 1 |" in page
    assert "commit `abc1234`, callbacks 1000; 2 cores (Xeon), 25.0 GB, Linux 6.1.0, load 0.5." in page


@pytest.mark.parametrize(("load", "busy"), [(2.0, False), (2.1, True)])
def test_page_says_that_the_processors_were_shared_when_the_run_began(load: float, *, busy: bool) -> None:
    began = replace(run("burst", row("p99", 1.0)), machine=MACHINE | {"load_before": load})
    assert ("Other work ran" in performance.page([began])) is busy


def test_rows_of_the_same_name_are_told_apart() -> None:
    rows = row("p50", 1.0), row("the same, p99", 2.0), row("again", 3.0), row("the same, p99", 4.0)
    page = performance.page([run("reads", *rows), run("reads", *rows)])
    assert [line.split("|")[-2].strip() for line in page.splitlines() if "the same, p99" in line] == ["2", "4"]


def test_page_has_a_section_for_each_benchmark() -> None:
    page = performance.page([run("scale", row("a", 1)), run("burst", row("b", 1))])
    assert [line for line in page.splitlines() if line.startswith("## ")] == ["## burst", "## scale"]


def test_benchmark_without_a_run_keeps_its_section() -> None:
    former = performance.page([run("scale", row("a", 1)), run("burst", row("b", 1))])
    page = performance.page([run("burst", row("b", 7)), run("pace", row("c", 3))], former)
    assert [line for line in page.splitlines() if line.startswith("## ")] == ["## burst", "## pace", "## scale"]
    assert former.endswith(page[page.index("## scale") :])
    assert "| b | 7 |" in page
    assert performance.page([], page) == page
