"""Tables in the documents: a row apart from its table is shown as text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("c*/*/README.md")})

BLOCK = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
TABLE = re.compile(r"(?:^ *\|.*\n?)+", re.MULTILINE)
DELIMITER = re.compile(r"^.*\n *\|[ :|-]+\|(?:\n|$)")


def rows_without_a_table(text: str) -> list[str]:
    """Return the first row of each group of rows that does not begin with a header and its delimiter."""
    groups = TABLE.findall(BLOCK.sub("", text))
    return [each.partition("\n")[0] for each in groups if not DELIMITER.match(each)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_rows_belong_to_a_table(page: Path) -> None:
    assert rows_without_a_table(page.read_text()) == []


def test_a_row_after_an_empty_line_is_found() -> None:
    table = "| a | b |\n|---|---|\n| 1 | 2 |\n"
    assert rows_without_a_table(f"{table}\n{table}") == []
    assert rows_without_a_table(f"{table}\n| 3 | 4 |\n") == ["| 3 | 4 |"]
