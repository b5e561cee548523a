"""`make shape`: size and structure of the code, one line for each program; `!` marks a value beyond its bar."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from statistics import median
from typing import TYPE_CHECKING

import grimp

from dev.cluster.cache import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PROGRAMS = {
    "api": "crds/mediaimport_api",
    "runtime": "runtime/mediaimport_runtime",
    "operator": "operator/mediaimport_operator",
    "importer": "importer/mediaimport_importer",
    "prober": "prober/mediaimport_prober",
    "webhook": "webhook/mediaimport_webhook",
    "checks": "checks/mediaimport_checks",
    "dev": "dev",
    "support": "tests/support",
}
BARS: Mapping[str, tuple[float, float] | None] = {
    "modules": None,
    "median lines": (150, 250),
    "max lines": (0, 400),
    "function": (0, 8),
    "imports/100": (0, 3),
    "circular": (0, 0),
    "in a folder": (0, 14),
}
"""Columns with the least and the greatest value: modules, their lines, median lines of a function, import statements of
project modules in 100 lines, modules in an import circle, modules in the largest folder."""
_OURS = ("mediaimport_", "dev.", "tests.")


@dataclass(frozen=True)
class Module:
    """Source file that has more than a docstring."""

    file: Path
    tree: ast.Module
    lines: int

    @property
    def functions(self) -> list[int]:
        """Lengths of its functions in lines, nested ones included."""
        nodes = (each for each in ast.walk(self.tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
        return [(each.end_lineno or each.lineno) - each.lineno + 1 for each in nodes]

    @property
    def imports(self) -> int:
        """Number of import statements of project modules."""
        names = chain.from_iterable(_imported(each) for each in ast.walk(self.tree))
        return sum(f"{each}.".startswith(_OURS) for each in names)


def modules(folder: Path) -> Iterator[Module]:
    """Yield the modules of a program; packages with only a docstring are not counted."""
    for file in sorted(folder.rglob("*.py")):
        text = file.read_text()
        tree = ast.parse(text)
        if len(tree.body) > 1:
            yield Module(file, tree, len(text.splitlines()))


def circular(package: str) -> int:
    """Return the number of modules that import themselves through others; imports for types alone count too."""
    graph = grimp.build_graph(package, cache_dir=None)
    return sum(
        any(module in graph.find_upstream_modules(each) for each in graph.find_modules_directly_imported_by(module))
        for module in graph.modules
    )


def measure(folder: Path, *, package: str) -> list[float]:
    """Return the values of one program, in the order of BARS."""
    found = list(modules(folder))
    lines = [each.lines for each in found]
    return [
        len(found),
        median(lines),
        max(lines),
        median(chain.from_iterable(each.functions for each in found)),
        sum(each.imports for each in found) / sum(lines) * 100,
        circular(package),
        max(Counter(each.file.parent for each in found).values()),
    ]


def main() -> None:
    """Print the table."""
    print(f"{'':10}" + "".join(f"{each:>14}" for each in BARS))
    print(f"{'bar':10}" + "".join(f"{_range(each):>14}" for each in BARS.values()))
    for name, folder in PROGRAMS.items():
        package = folder.rpartition("/")[2] if "mediaimport_" in folder else folder.replace("/", ".")
        values = measure(CHECKOUT / folder, package=package)
        print(f"{name:10}" + "".join(_cell(*each) for each in zip(values, BARS.values(), strict=True)))


def _range(bar: tuple[float, float] | None) -> str:
    return "" if bar is None else f"{bar[0]}-{bar[1]}" if bar[0] else f"≤ {bar[1]}"


def _cell(value: float, bar: tuple[float, float] | None) -> str:
    holds = bar is None or bar[0] <= value <= bar[1]
    return f"{value:.3g}{'' if holds else '!'}".rjust(14)


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [each.name for each in node.names] if isinstance(node, ast.Import) else []


if __name__ == "__main__":
    main()
