from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from dev.mutants.__main__ import CHECKOUT, passes, python_of
from dev.mutants.mutant import Mutant, MutantError, read_all

if TYPE_CHECKING:
    from pathlib import Path

MUTANT = Mutant(name="m", file="a.py", before="x = 1", after="x = 2", tests=("test_a.py",))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout that holds nothing but its environment."""
    checkout = tmp_path_factory.mktemp("checkout")
    python_of(checkout)
    return checkout


def test_every_mutant_of_the_lists_can_be_planted_and_names_tests_that_are_there() -> None:
    for each in read_all():
        assert (CHECKOUT / each.file).read_text().count(each.before) == 1, each.name
        assert each.before != each.after
        for test in each.tests:
            assert (CHECKOUT / test.partition("::")[0]).exists(), f"{each.name}: {test}"


def test_program_that_a_test_starts_comes_from_the_copy(copy: Path) -> None:
    package = copy / "importer" / "mediaimport_importer"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text("print('planted')")

    said = subprocess.run(
        [copy / ".venv/bin/python", "-m", "mediaimport_importer"], env={}, check=True, capture_output=True
    )

    assert said.stdout == b"planted\n"


def test_environment_of_the_copy_lies_in_it_as_the_sandbox_of_the_prober_opens_nothing_else(copy: Path) -> None:
    assert [each for each in (copy / ".venv").rglob("*") if each.is_symlink() and each.parent.name != "bin"] == []


def test_a_mutant_replaces_its_line_and_gives_the_old_text_back(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    assert MUTANT.apply(tmp_path) == "x = 1\n"
    assert (tmp_path / "a.py").read_text() == "x = 2\n"


@pytest.mark.parametrize(("text", "error"), [("", "0 times"), ("x = 1\nx = 1\n", "2 times")])
def test_line_that_does_not_occur_once_is_named(tmp_path: Path, text: str, error: str) -> None:
    (tmp_path / "a.py").write_text(text)
    with pytest.raises(MutantError, match=error):
        MUTANT.apply(tmp_path)


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(MutantError, match=r"there is no a\.py"):
        MUTANT.apply(tmp_path)


@pytest.mark.parametrize(
    ("test", "green"),
    [
        ("def test_a(): pass", True),
        ("def test_a(): assert False", False),
        ("import os, signal\ndef test_a(): os.kill(os.getpid(), signal.SIGSEGV)", False),
    ],
)
def test_run_that_fails_or_that_a_signal_ends_is_not_green(copy: Path, test: str, *, green: bool) -> None:
    (copy / "test_a.py").write_text(test + "\n")
    assert passes(copy, ("test_a.py",)) is green


def test_tests_that_cannot_be_found_are_an_error_with_what_pytest_says(copy: Path) -> None:
    with pytest.raises(MutantError, match=r"(?s)exit 4.*not found: "):
        passes(copy, ("test_b.py",))
