"""A mutant, and the lists that hold them: `dev/mutants/*.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent


class MutantError(Exception):
    """A list names a line that is not there, or is there twice."""


@dataclass(frozen=True)
class Mutant:
    """`before`, which stands exactly once in `file`, becomes `after`; one of `tests` must fail of it."""

    name: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]

    def apply(self, checkout: Path) -> str:
        """Write the fault into that checkout; return the text that it replaced. MutantError."""
        path = checkout / self.file
        if not path.is_file():
            raise MutantError(f"{self.name}: there is no {self.file}; correct the list")
        text = path.read_text()
        if (count := text.count(self.before)) != 1:
            raise MutantError(f"{self.name}: {self.before!r} stands {count} times in {self.file}; it must be once")
        changed = text.replace(self.before, self.after)
        if path.suffix == ".py":
            _check_syntax(self.name, changed)
        path.write_text(changed)
        return text


def _check_syntax(name: str, text: str) -> None:
    """Refuse a mutant that no test needs to see."""
    try:
        compile(text, name, "exec")
    except SyntaxError as error:
        raise MutantError(f"{name}: the changed file is not Python ({error.msg}, line {error.lineno})") from None


def read_all(folder: Path = FOLDER) -> list[Mutant]:
    """Return the mutants of every list, in order; MutantError for a name that is there twice."""
    mutants = [
        _mutant(each) for file in sorted(folder.glob("*.toml")) for each in tomllib.loads(file.read_text())["mutant"]
    ]
    names = [each.name for each in mutants]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise MutantError(f"there are two mutants named {', '.join(twice)}")
    return mutants


def _mutant(entry: dict[str, object]) -> Mutant:
    tests = entry["tests"]
    if not isinstance(tests, list) or not tests:
        raise MutantError(f"{entry.get('name')}: tests must be a list of test ids")
    return Mutant(
        name=str(entry["name"]),
        file=str(entry["file"]),
        before=str(entry["before"]),
        after=str(entry["after"]),
        tests=tuple(map(str, tests)),
    )
