"""`python -m dev.generate [--check]`: write all generated files, or check that they are current."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mediaimport_api import crd
from mediaimport_webhook.http import openapi

from dev.generate import client_types, environment, problems, reasons, resource, sidecar, values
from dev.release import licences, version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT = Path(__file__).resolve().parents[2]
FILES: Mapping[str, Callable[[], str]] = {
    "crds/mediaimports.yaml": crd.render,
    "charts/mediaimport/files/mediaimports.yaml": crd.render,
    "charts/mediaimport/README.md": values.page,
    "docs/openapi.json": openapi.render,
    "clients/python/mediaimport_client/types.py": client_types.page,
    "docs/sidecar.schema.json": sidecar.page,
    "docs/reference/resource.md": resource.page,
    "docs/reference/reasons.md": reasons.page,
    "docs/reference/problems.md": problems.page,
    "docs/reference/environment.md": environment.page,
    "docs/reference/licences.md": licences.page,
    **version.FILES,
}


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="dev.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is not current")
    files = {ROOT / name: render() for name, render in FILES.items()}
    return check(files) if parser.parse_args().check else write(files)


def check(files: Mapping[Path, str]) -> int:
    """Name the files that are not current; return the exit code."""
    stale = [file for file, text in files.items() if not file.is_file() or file.read_text() != text]
    for file in stale:
        print(f"{file.relative_to(ROOT)} is not current: run `make generate` and commit it", file=sys.stderr)
    return 1 if stale else 0


def write(files: Mapping[Path, str]) -> int:
    """Write the files; return the exit code."""
    for file, text in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
