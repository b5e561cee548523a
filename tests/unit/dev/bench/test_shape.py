from __future__ import annotations

from typing import TYPE_CHECKING

from dev.bench import shape

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SOURCE = '''"""Module."""

import os
from mediaimport_api import names

class C:
    def one(self) -> str:
        return os.sep

def two() -> str:
    import dev.cluster
    return names.KIND
'''


def test_module_has_its_functions_and_its_imports_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(SOURCE)
    (tmp_path / "__init__.py").write_text('"""Only a docstring."""\n')
    (module,) = shape.modules(tmp_path)
    assert (module.lines, sorted(module.functions), module.imports) == (12, [2, 3], 2)


def test_modules_of_an_import_circle_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "circle"
    package.mkdir()
    for name, text in {
        "__init__": "",
        "a": "from circle import b",
        "b": "from circle import a",
        "c": "import circle.a",
    }.items():
        (package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    assert shape.circular("circle") == 2
