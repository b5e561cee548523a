"""Rules of the tree."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def test_operator_is_a_folder_and_never_a_package() -> None:
    assert not (ROOT / "operator/__init__.py").exists(), "it would shadow the standard library's operator"


@pytest.mark.parametrize("lock", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda path: path.name)
def test_every_requirement_is_pinned_and_hashed_and_names_no_host(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    requirements = re.findall(
        r"^\S+?(?:\[.*?\])?(==\S+)?(?: ;.*?)? \\\n((?:    --hash=sha256:[0-9a-f]{64}.*\n)+)", text, re.MULTILINE
    )
    names = re.findall(r"^[A-Za-z0-9]", text, re.MULTILINE)
    assert len(requirements) == len(names) > 0
    assert all(version for version, _ in requirements)


def test_end_to_end_tests_can_be_imported() -> None:
    command = (sys.executable, "-m", "pytest", "--collect-only", "--quiet", "-m", "", "tests/e2e")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "folder",
    [
        "checks",
        "clients",
        "crds",
        "dev",
        "importer",
        "operator",
        "prober",
        "runtime",
        "tests/e2e",
        "tests/support",
        "webhook",
    ],
)
def test_every_ignored_rule_has_a_reason(folder: str) -> None:
    """The form is `# noqa: CODE - reason`."""
    lines = [line for file in (ROOT / folder).rglob("*.py") for line in file.read_text().splitlines()]
    ignored = [line for line in lines if "# noqa" in line]
    assert [line for line in ignored if not re.search(r"# noqa: [A-Z0-9]+(, [A-Z0-9]+)* - \S", line)] == []
