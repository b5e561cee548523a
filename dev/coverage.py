"""`python -m dev.coverage`: the branch coverage of each package, and every branch of a decision that no test takes."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coverage import Coverage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

DECISIONS = (
    "operator/mediaimport_operator/decide/",  # plan, attempts, retries, slots, deletion
    "importer/mediaimport_importer/source/guard.py",
    "importer/mediaimport_importer/deletion.py",
    "crds/mediaimport_api/source_policy.py",
    "webhook/mediaimport_webhook/access/",
    "webhook/mediaimport_webhook/generation/signatures.py",
    "webhook/mediaimport_webhook/imports/delete.py",
)
"""Files and folders that decide. Their branches are all taken by tests, or explained there (`pragma: no branch`)."""


@dataclass(frozen=True)
class Branches:
    """The branches of a package, and those that were taken."""

    all: int
    taken: int

    @property
    def percent(self) -> float:
        """The share that was taken; 100 for a package without branches."""
        return 100 * self.taken / self.all if self.all else 100.0


def per_package(files: Mapping[str, Mapping[str, Any]]) -> dict[str, Branches]:
    """Return the branches of each package in coverage's JSON report, by its folder."""
    counts: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for path, report in files.items():
        summary = report["summary"]
        counts[str(Path(path).parent)].append((summary["num_branches"], summary["covered_branches"]))
    return {name: Branches(sum(a for a, _ in each), sum(t for _, t in each)) for name, each in sorted(counts.items())}


def not_taken(files: Mapping[str, Mapping[str, Any]], places: tuple[str, ...]) -> Iterator[str]:
    """Yield each branch in these places that was not taken, as `file:from -> to`; a negative line is the end."""
    for path, report in sorted(files.items()):
        if path.startswith(places):
            yield from (f"{path}:{start} -> {end}" for start, end in report["missing_branches"])


def table(packages: Mapping[str, Branches]) -> Iterator[str]:
    """Yield the lines of the table, the sum last."""
    whole = Branches(sum(each.all for each in packages.values()), sum(each.taken for each in packages.values()))
    width = max(map(len, packages), default=0)
    for name, each in (*packages.items(), ("all", whole)):
        yield f"{name:{width}}  {each.taken:5} of {each.all:5}  {each.percent:5.1f} %"


def print_report(lines: Iterable[str]) -> None:
    """Print the lines."""
    print("\n".join(lines))


def main() -> None:
    """Print what the last run has recorded."""
    recorded = Coverage()
    recorded.load()
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        recorded.json_report(outfile=file.name)
        files = json.loads(Path(file.name).read_text())["files"]
    print_report(table(per_package(files)))
    missing = list(not_taken(files, DECISIONS))
    print_report([f"\nbranches of decisions that no test takes: {len(missing) or 'none'}", *missing])


if __name__ == "__main__":
    main()
