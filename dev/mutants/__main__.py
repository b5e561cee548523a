"""`python -m dev.mutants [NAME ...]`: plant each mutant in a copy of the checkout and run its tests.

Exits 1 if a mutant survives, that is if its tests pass all the same; 2 if a list is wrong or a test fails of itself.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from dev.mutants.mutant import Mutant, MutantError, read_all

CHECKOUT = Path(__file__).resolve().parents[2]
WORKERS = 2
TIMEOUT_S = 300


def copy_of(checkout: Path, folder: Path) -> Path:
    """Copy what git tracks, as it is in the working tree."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=checkout, check=True, capture_output=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (source := checkout / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name)
    return folder


def python_of(checkout: Path) -> Path:
    """Make this environment again in the copy, with the copy's packages; return its Python.

    A variable would not do: tests start programs with variables of their own.
    """
    ours, theirs = Path(sys.prefix), checkout / ".venv"
    packages = Path(sysconfig.get_path("purelib")).relative_to(ours)
    (theirs / "bin").mkdir(parents=True)
    for each in (ours / "bin").iterdir():
        (theirs / "bin" / each.name).symlink_to(each)
    # The prober's sandbox opens the environment, and nothing to which a symlink leads out of it.
    shutil.copytree(ours / packages, theirs / packages, copy_function=_linked, symlinks=True)
    shutil.copy2(ours / "pyvenv.cfg", theirs)
    for each in (theirs / packages).glob("*.pth"):
        text = each.read_text()
        each.unlink()
        each.write_text(text.replace(str(CHECKOUT), str(checkout)))
    return theirs / "bin" / "python"


def _linked(source: str, target: str) -> None:
    """Link a file, or copy it where another file system begins."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def passes(checkout: Path, tests: tuple[str, ...], *, timeout_s: float = TIMEOUT_S, told: bool = False) -> bool:
    """Run those tests there, and print what they print if `told`.

    A run that hangs, or that a signal ends (a stack without a bound), has noticed the fault, too.
    """
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    python = str(checkout / ".venv" / "bin" / "python")
    command = [python, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    try:
        ended = subprocess.run(
            command, cwd=checkout, env=environment, capture_output=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    if ended.returncode > 2:  # noqa: PLR2004 - pytest's own faults; negative: a signal
        said = (ended.stdout + ended.stderr).decode()[-500:]
        raise MutantError(f"pytest cannot run {' '.join(tests)} (exit {ended.returncode}): {said}")
    if told and ended.returncode:
        print(ended.stdout.decode(), file=sys.stderr)
    return ended.returncode == 0


def is_killed(mutant: Mutant, checkout: Path) -> bool:
    """Plant the mutant, run its tests, take it out again."""
    original = mutant.apply(checkout)
    try:
        return not passes(checkout, mutant.tests)
    finally:
        (checkout / mutant.file).write_text(original)


def main(names: list[str]) -> int:
    """Return the exit code."""
    chosen = [each for each in read_all() if not names or each.name in names]
    if missing := set(names) - {each.name for each in chosen}:
        raise MutantError(f"there is no mutant named {', '.join(sorted(missing))}")
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(WORKERS):
            copy = copy_of(CHECKOUT, Path(folder, str(number)))
            python_of(copy)
            copies.put(copy)
        for each in chosen:
            # Every list is checked before the first minute is spent.
            path = Path(folder, "0", each.file)
            path.write_text(each.apply(Path(folder, "0")))
        tests = tuple(sorted({test for each in chosen for test in each.tests}))
        if not passes(Path(folder, "0"), tests, timeout_s=TIMEOUT_S * len(tests), told=True):
            print("the tests fail without any mutant: mend them first", file=sys.stderr)
            return 2

        def killed(mutant: Mutant) -> bool:
            copy = copies.get()
            try:
                return is_killed(mutant, copy)
            finally:
                copies.put(copy)

        survivors = 0
        with ThreadPoolExecutor(WORKERS) as pool:
            for mutant, dead in zip(chosen, pool.map(killed, chosen), strict=True):
                survivors += not dead
                print(f"{'killed  ' if dead else 'SURVIVED'}  {mutant.name}  ({mutant.file})", flush=True)
    print(f"{len(chosen)} mutants, {survivors} survived")
    return 1 if survivors else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except MutantError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
