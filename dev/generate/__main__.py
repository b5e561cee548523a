"""`python -m dev.generate [--check]`: write the pages, or prove that they are current."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dev.generate import environment, reasons, resource, sidecar, values
from dev.release import licences, version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT = Path(__file__).resolve().parents[2]
PAGES: Mapping[str, Callable[[], str]] = {
    "docs/reference/resource.md": resource.page,
    "docs/reference/reasons.md": reasons.page,
    "docs/reference/environment.md": environment.page,
    "docs/reference/licences.md": licences.page,
    "docs/sidecar.schema.json": sidecar.page,
    "charts/mediaimport/README.md": values.page,
    **version.PAGES,
}


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="dev.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page is not current")
    pages = {ROOT / name: page() for name, page in PAGES.items()}
    if parser.parse_args().check:
        stale = [file for file, text in pages.items() if not file.is_file() or file.read_text() != text]
        for file in stale:
            print(f"{file.relative_to(ROOT)} is not current; run `make generate` and commit it", file=sys.stderr)
        return 1 if stale else 0
    for file, text in pages.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
