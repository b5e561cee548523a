"""Docstrings begin with a noun or a verb."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FORBIDDEN = re.compile(r"(What|Which|Whether|Who(?:m|se)?|How|Where|When|Why)\b")
FOLDERS = ("checks", "crds", "dev", "importer", "operator", "prober", "runtime", "tests", "webhook")


def docstrings(source: str) -> list[tuple[int, str]]:
    """Return line and text of all docstrings, those of attributes and constants included."""
    blocks = (getattr(node, "body", None) for node in ast.walk(ast.parse(source)))
    statements = [each for block in blocks if isinstance(block, list) for each in block]
    return [
        (each.lineno, each.value.value)
        for each in statements
        if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant) and isinstance(each.value.value, str)
    ]


@pytest.mark.parametrize("folder", FOLDERS)
def test_docstring_begins_with_a_noun_or_a_verb(folder: str) -> None:
    wrong = [
        f"{file.relative_to(ROOT)}:{line}: {text.splitlines()[0]}"
        for file in sorted((ROOT / folder).rglob("*.py"))
        for line, text in docstrings(file.read_text())
        if FORBIDDEN.match(text)
    ]
    assert wrong == []


def test_docstrings_of_all_kinds_are_found() -> None:
    source = '"""M."""\nX = 1\n"""X."""\nclass C:\n    """C."""\n    async def f(self):\n        """F."""\n'
    assert [text for _, text in docstrings(source)] == ["M.", "X.", "C.", "F."]
