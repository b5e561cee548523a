"""The importer's entry point: `python -m mediaimport_importer`."""

from __future__ import annotations

import gc
import os
import sys

# Imports make no garbage, and collecting it would be a tenth of the time until the request to the source.
gc.disable()

from mediaimport_runtime.environment import Environment  # noqa: E402 - see above

from mediaimport_importer import early  # noqa: E402 - see above

if __name__ == "__main__":
    request = None if sys.argv[1:] else early.begin(Environment(os.environ))
    from mediaimport_importer.process import main

    gc.freeze()
    gc.enable()
    exit_code = main(sys.argv[1:], request)
    sys.stdout.flush()
    # Threads may still wait for the network; their results are not needed.
    os._exit(exit_code)
