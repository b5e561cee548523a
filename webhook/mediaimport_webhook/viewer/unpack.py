"""Extraction of Swagger UI from a wheel: `python3 unpack.py WHEEL FOLDER`. It needs only the standard library.

It writes the files that the page needs, compressed as they are served, and the licence.
"""

from __future__ import annotations

import gzip
import sys
import zipfile
from pathlib import Path

_INSIDE = "drf_spectacular_sidecar/static/drf_spectacular_sidecar/swagger-ui-dist/"
_SERVED = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")
_KEPT = ("LICENSE",)


def unpack(wheel: Path, folder: Path) -> None:
    """Create the folder and write the files; one wheel always gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        for name in _KEPT:
            (folder / name).write_bytes(archive.read(_INSIDE + name))
        for name in _SERVED:
            (folder / f"{name}.gz").write_bytes(gzip.compress(archive.read(_INSIDE + name), mtime=0))


if __name__ == "__main__":
    unpack(Path(sys.argv[1]), Path(sys.argv[2]))
