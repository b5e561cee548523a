"""Tables of outcomes that tests fill, cell by cell, and print at their end (`pytest -s`)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Table:
    """Outcomes by row and column, in the order in which they come."""

    title: str
    cells: dict[str, dict[str, str]] = field(default_factory=dict)

    def put(self, row: str, column: str, outcome: str) -> None:
        """Fill a cell."""
        self.cells.setdefault(row, {})[column] = outcome

    def show(self) -> None:
        """Print the table; pytest lets it pass with `-s`."""
        print(f"\n{self}")  # noqa: T201 - that is asked for

    def __str__(self) -> str:
        """Return the table in Markdown."""
        columns = list(dict.fromkeys(column for row in self.cells.values() for column in row))
        lines = [[self.title, *columns], ["---"] * (len(columns) + 1)]
        lines += [[name, *(row.get(column, "") for column in columns)] for name, row in self.cells.items()]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)
