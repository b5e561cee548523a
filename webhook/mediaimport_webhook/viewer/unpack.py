"""Takes Swagger UI out of a wheel that carries it: `python3 unpack.py WHEEL FOLDER`. Nothing but the standard library.

The files are what the page needs and the licence, compressed as they are served.
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
    """Write the files into the folder, which is made; the same bytes for the same wheel."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        for name in _KEPT:
            (folder / name).write_bytes(archive.read(_INSIDE + name))
        for name in _SERVED:
            (folder / f"{name}.gz").write_bytes(gzip.compress(archive.read(_INSIDE + name), mtime=0))


if __name__ == "__main__":
    unpack(Path(sys.argv[1]), Path(sys.argv[2]))
