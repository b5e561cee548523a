"""Figures of a benchmark: a table on the terminal and build/bench/NAME.json."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).resolve().parents[2] / "build/bench"


@dataclass(frozen=True)
class Bar:
    """Bound of a figure: at most, or at least."""

    bound: float
    at_most: bool = True

    def holds(self, value: float) -> bool:
        """Tell whether the value is on the right side."""
        return value <= self.bound if self.at_most else value >= self.bound

    def __str__(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {round(self.bound, 4):g}"


@dataclass(frozen=True)
class Figure:
    """Measurement. `limit`: the physical limit, known or measured in the same run."""

    figure: str
    value: float
    unit: str
    limit: float | None = None
    bar: Bar | None = None

    def row(self) -> dict[str, object]:
        """Return what the JSON file holds of it."""
        return {
            "figure": self.figure,
            "value": round(self.value, 4),
            "unit": self.unit,
            "limit": None if self.limit is None else round(self.limit, 4),
            "bar": str(self.bar) if self.bar else None,
            "holds": self.bar.holds(self.value) if self.bar else None,
        }


def percentile(values: list[float], percent: float) -> float:
    """Return the nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


class Sheet:
    """A report that grows: each figure is printed and in the file as soon as it is known."""

    def __init__(self, name: str, *, width: int, form: Mapping[str, object] | None = None) -> None:
        """Begin build/bench/NAME.json; `width` is the longest figure's name, `form` the benchmark's sizes."""
        self.name = name
        self.form = form or {}
        self._file = FOLDER / f"{name}.json"
        self._width = width
        self.rows: list[dict[str, object]] = []
        FOLDER.mkdir(parents=True, exist_ok=True)
        print(f"{'figure':{width}}  {'value':>10}  {'unit':8}  {'limit':>8}  {'bar':>8}  holds", flush=True)

    def add(self, *figures: Figure) -> None:
        """Take in what has been measured."""
        for each in figures:
            row = each.row()
            self.rows.append(row)
            self._print(row)
        self._file.write_text(json.dumps({"figures": self.rows}, indent=2, ensure_ascii=False) + "\n")

    @property
    def missed(self) -> list[str]:
        """Names of the figures on the wrong side of their bars."""
        return [str(each["figure"]) for each in self.rows if each["holds"] is False]

    def _print(self, row: dict[str, object]) -> None:
        cells = {key: "" if value is None else value for key, value in row.items()}
        holds = "" if row["holds"] is None else "yes" if row["holds"] else "NO"
        print(
            f"{cells['figure']:{self._width}}  {cells['value']:>10}  {cells['unit']:8}  {cells['limit']:>8}  "
            f"{cells['bar']:>8}  {holds}",
            flush=True,
        )


def report(name: str, figures: list[Figure], *, form: Mapping[str, object] | None = None) -> Sheet:
    """Print the table and write the file."""
    sheet = Sheet(name, width=max(len(each.figure) for each in figures), form=form)
    sheet.add(*figures)
    return sheet
