"""`python -m dev.bench report`: write docs/performance.md, the last figures of each benchmark, from the history.

A benchmark that this checkout's history does not have keeps its section.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from dev.bench import history
from dev.cluster.cache import CHECKOUT
from dev.generate.markdown import table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dev.bench.history import Row, Run

PAGE = CHECKOUT / "docs/performance.md"
INTRODUCTION = """\
# Performance

The last figures of each benchmark (`make bench-NAME`), written by `python -m dev.bench report` from
`build/bench/history.jsonl`. *Limit* is what the same machine allows, measured in the same run where that is possible;
*bar* is the value that the figure has to reach; *before* is the figure of the run before, of the same sizes.

Figures depend on the machine and on what else runs on it: compare those of one machine. *Load* is that of
the minute before the benchmark began. What they mean for requests, limits and replicas is in [sizing](sizing.md).
"""
HEADING = "## "


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(history.read(), PAGE.read_text()))
    print(f"wrote {PAGE.relative_to(CHECKOUT)}")


def page(runs: Sequence[Run], former: str = "") -> str:
    """Return the page: a section for each benchmark, by name; of those without a run that of the former page."""
    sections = dict(_sections(former))
    for name in {run.name for run in runs}:
        sections[name] = _section([run for run in runs if run.name == name])
    return "\n\n".join(part.strip() for part in [INTRODUCTION, *(text for _, text in sorted(sections.items()))]) + "\n"


def _sections(page: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each section."""
    for section in page.split(f"\n{HEADING}")[1:]:
        yield section.partition("\n")[0], HEADING + section


def _section(runs: Sequence[Run]) -> str:
    last = runs[-1]
    former = next((run for run in reversed(runs[:-1]) if run.form == last.form), None)
    before = dict(_keyed(former.figures)) if former else {}
    rows = [_cells(row, before.get(key, {}).get("value")) for key, row in _keyed(last.figures)]
    headings = ("figure", "value", "unit", "limit", "bar", "holds", "before")
    return f"{HEADING}{last.name}\n\n{_origin(last)}\n\n{table(headings, rows)}\n"


def _keyed(figures: Sequence[Row]) -> Iterator[tuple[tuple[str, int], Row]]:
    """Yield each row with its name and how many rows before have the same one ("the same, p99")."""
    names = Counter[str]()
    for row in figures:
        yield (row["figure"], names[row["figure"]]), row
        names[row["figure"]] += 1


def _origin(run: Run) -> str:
    machine = run.machine
    sizes = ", ".join(f"{name} {value}" for name, value in run.form.items())
    hardware = f"{machine['cores']} cores ({machine['processor']}), {machine['memory_gb']} GB"
    return (
        f"{run.time[:10]}, commit `{run.commit}`{', ' if sizes else ''}{sizes}; {hardware}, "
        f"Linux {machine['kernel']}{_load(machine)}"
    )


def _load(machine: Mapping[str, Any]) -> str:
    """Return the end of the line; runs of earlier versions have no load of their start."""
    if "load_before" not in machine:
        return "."
    busy = " **Other work ran on the machine.**" if machine["load_before"] > machine["cores"] else ""
    return f", load {machine['load_before']}.{busy}"


def _cells(row: Row, before: float | None) -> tuple[str, ...]:
    holds = {True: "yes", False: "**no**", None: ""}[row["holds"]]
    values = (row["value"], row["unit"], row["limit"], row["bar"])
    return (row["figure"], *("" if each is None else _shown(each) for each in values), holds, _shown(before))


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"  # noqa: PLR2004 - four digits are enough
    return "" if value is None else str(value)
