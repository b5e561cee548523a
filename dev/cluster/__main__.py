"""The commands: up, down and env; build, start and stop for benchmarks and tests."""

from __future__ import annotations

import os
import sys

from dev.cluster import cli
from dev.cluster.errors import ClusterError

if __name__ == "__main__":
    try:
        cli.run(sys.argv[1:], os.environ)
    except (ClusterError, KeyboardInterrupt) as error:
        print(str(error) or "interrupted", file=sys.stderr, flush=True)
        # Exit at once: other threads may still be running programs, which end with this process.
        os._exit(1)
