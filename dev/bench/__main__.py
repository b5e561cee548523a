"""`python -m dev.bench NAME`: run one benchmark, record its figures; `report` writes docs/performance.md.

The exit status is 1 if a figure misses its bar.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

from dev.bench import history, performance

if TYPE_CHECKING:
    from dev.bench.figures import Sheet

BENCHMARKS = {
    "baselines": "dev.bench.operator.baselines",
    "burst": "dev.bench.webhook.burst",
    "catalogue": "dev.bench.webhook.catalogue",
    "events": "dev.bench.operator.events",
    "gallery": "dev.bench.webhook.gallery",
    "idle": "dev.bench.operator.idle",
    "import": "dev.bench.importer.transfer",
    "install": "dev.bench.install",
    "pace": "dev.bench.operator.pace",
    "probe": "dev.bench.importer.probe",
    "rate": "dev.bench.operator.rate",
    "rebuild": "dev.bench.webhook.rebuild",
    "reads": "dev.bench.webhook.reads",
    "scale": "dev.bench.operator.scale",
    "soak": "dev.bench.webhook.soak",
    "webhook": "dev.bench.webhook.latency",
}


def finish(sheet: Sheet, *, load_before: float) -> int:
    """Record the figures; return the exit status."""
    history.append(sheet.name, form=sheet.form, figures=sheet.rows, load_before=load_before)
    for each in sheet.missed:
        print(f"missed its bar: {each}", file=sys.stderr)
    return 1 if sheet.missed else 0


def main(name: str) -> int:
    """Run what is named; return the exit status."""
    if name == "report":
        performance.main()
        return 0
    if name not in BENCHMARKS:
        print(f"usage: python -m dev.bench {'|'.join([*BENCHMARKS, 'report'])}", file=sys.stderr)
        return 2
    load_before = history.load()
    sheet: Sheet = importlib.import_module(BENCHMARKS[name]).main()
    return finish(sheet, load_before=load_before)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) == 2 else ""))  # noqa: PLR2004 - the program and one argument
