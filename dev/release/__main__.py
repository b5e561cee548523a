"""`python -m dev.release`: write build/sbom/IMAGE.cdx.json for both images; refuse one that is not whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from mediaimport_api import __version__

import dev.cluster
from dev.cluster import addresses
from dev.cluster.cache import CHECKOUT
from dev.cluster.exports import IMAGE_VARIABLES
from dev.cluster.kubectl import Kube
from dev.cluster.programs import go
from dev.release import bill, inventory

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = CHECKOUT / "build" / "sbom"
NAMES = ("mediaimport", "mediaimport-ffmpeg")


def main() -> int:
    """Return the exit code."""
    environment = dev.cluster.environment()
    syft = go.built("syft") / "syft"
    FOLDER.mkdir(parents=True, exist_ok=True)
    failed = [_make(name, environment[IMAGE_VARIABLES[name]], syft, Kube(environment)) for name in NAMES]
    return 1 if any(failed) else 0


def _make(name: str, image: str, syft: Path, kube: Kube) -> bool:
    """Write one image's bill; tell whether it has errors."""
    document = bill.repeatable(json.loads(_scanned(image, syft, name=name)))
    (FOLDER / f"{name}.cdx.json").write_text(text := json.dumps(document, indent=1) + "\n")
    missing = bill.missing(document, inventory.of(image, kube))
    errors = [*filter(None, [bill.validation_error(text)]), *(f"{each} is not in the bill" for each in missing)]
    for error in errors:
        print(f"{name}: {error}", file=sys.stderr)
    print(f"build/sbom/{name}.cdx.json: {len(document['components'])} components")
    return bool(errors)


def _scanned(image: str, syft: Path, *, name: str) -> str:
    plain = image.startswith(f"{addresses.REGISTRY}/")
    settings = {"SYFT_CHECK_FOR_APP_UPDATE": "false", "SYFT_REGISTRY_INSECURE_USE_HTTP": str(plain).lower()}
    source = ("--source-name", name, "--source-version", __version__)
    command = (syft, "scan", f"registry:{image}", *source, "--output", "cyclonedx-json@1.6", "--quiet")
    return subprocess.run(command, env=os.environ | settings, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
