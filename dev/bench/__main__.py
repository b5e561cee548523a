"""`python -m dev.bench NAME`: run one benchmark."""

from __future__ import annotations

import importlib
import sys

BENCHMARKS = {
    "burst": "dev.bench.webhook.burst",
    "idle": "dev.bench.operator.idle",
    "import": "dev.bench.importer.transfer",
    "install": "dev.bench.install",
    "probe": "dev.bench.importer.probe",
    "reads": "dev.bench.webhook.reads",
    "scale": "dev.bench.operator.scale",
    "webhook": "dev.bench.webhook.latency",
}

if __name__ == "__main__":
    name = sys.argv[1] if len(sys.argv) == 2 else ""  # noqa: PLR2004 - the program and one argument
    if name not in BENCHMARKS:
        sys.exit(f"usage: python -m dev.bench {'|'.join(BENCHMARKS)}")
    importlib.import_module(BENCHMARKS[name]).main()
