"""docs/reference/licences.md: the licence of each runtime dependency, from its metadata."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from dev.generate.markdown import NOTICE, table

_REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements"
LOCKS = tuple(_REQUIREMENTS / each for each in ("runtime.txt", "catalogue.txt", "prober.txt"))
_INTRODUCTION = """# Licences

MediaImport is under Apache-2.0. These Python packages are in both images, each with its licence's text in its
`.dist-info` folder. In the prober's alone are pillow and, with libvips, libheif and libde265 as shared libraries,
pyvips, pyvips-binary and pi-heif. In the other alone are aiodataloader, aiosqlite, alembic, greenlet, mako,
sqlalchemy, psycopg, and psycopg-binary, which carries libpq (PostgreSQL) and OpenSSL (Apache-2.0) as shared libraries.
`make verify` refuses a licence that nobody has read yet. The packages of Debian keep
theirs in `/usr/share/doc/*/copyright`; ffmpeg, as Debian builds it, is under GPL-2.0-or-later, and our programs only
run it. The
[bills of materials](../release.md#7-bills-of-materials) list all of it.

"""
_ACCEPTED = {
    "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MIT-CMU", "PSF-2.0",
    "MPL-2.0",  # copyleft by the file, and we change no file of it
    # Copyleft by the library, which stays a file of its own that anybody can replace.
    "LGPL-3.0-only", "LGPL-3.0-or-later",
}  # fmt: skip
_SYNONYMS = {"Apache 2.0": "Apache-2.0", "Apache License 2.0": "Apache-2.0", "MIT License": "MIT"}
# Packages whose metadata say less than their LICENSE files.
_READ = {
    "aiodataloader": "MIT",
    "aiosqlite": "MIT",
    "itsdangerous": "BSD-3-Clause",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "uvloop": "Apache-2.0 OR MIT",
}


class UnknownLicenceError(ValueError):
    """Dependency with a licence that nobody has read."""


@dataclass(frozen=True)
class Package:
    """A dependency as it is installed."""

    name: str
    version: str
    licence: str


def page() -> str:
    """Return the page; UnknownLicenceError, or LookupError if what is installed is not what is locked."""
    rows = [(each.name, each.version, each.licence) for each in map(_installed, _locked())]
    return NOTICE + _INTRODUCTION + table(("package", "version", "licence"), rows)


def _locked() -> list[tuple[str, str]]:
    return sorted({pin for lock in LOCKS for pin in pins(lock.read_text())})


def pins(lock: str) -> list[tuple[str, str]]:
    """Return name and version of each requirement, without those of Windows alone, which no image has."""
    return re.findall(r"^([A-Za-z0-9._-]+)(?:\[.*?\])?==(\S+)(?=\s)(?! ; sys_platform == 'win32')", lock, re.MULTILINE)


def licence(name: str, *, expression: str, text: str) -> str:
    """Return the SPDX expression that a package's metadata mean, either of which may be empty; UnknownLicenceError."""
    declared = expression or text
    meant = _READ.get(name) or _SYNONYMS.get(declared, declared)
    unread = sorted(_terms(meant) - _ACCEPTED)
    if unread:
        raise UnknownLicenceError(
            f"{name} is under {declared[:80]!r}: read it, and name it in dev/release/licences.py if it may stay"
        )
    return meant


def _terms(expression: str) -> set[str]:
    return set(re.split(r" (?:AND|OR) ", expression.translate(str.maketrans("", "", "()"))))


def _installed(pin: tuple[str, str]) -> Package:
    name, version = pin
    about = metadata.metadata(name).json
    if about["version"] != version:
        raise LookupError(
            f"{name} is installed as {about['version']} and locked as {version}: remove .venv and run make"
        )
    expression, text = (str(about.get(key, "")) for key in ("license_expression", "license"))
    return Package(name, version, licence(name, expression=expression, text=text))
