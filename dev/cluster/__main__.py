"""The commands: up, down and env; build, start and stop for benchmarks and tests."""

import os
import sys

from dev.cluster import cli
from dev.cluster.errors import ClusterError

if __name__ == "__main__":
    try:
        cli.run(sys.argv[1:], os.environ)
    except (ClusterError, KeyboardInterrupt) as error:
        print(error or "interrupted", file=sys.stderr, flush=True)
        # At once: other parts may still be at work in their threads, and their programs end with us.
        os._exit(1)
