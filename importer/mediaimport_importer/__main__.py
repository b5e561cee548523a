"""`python -m mediaimport_importer`."""

import gc
import os
import sys

# Nothing that imports make is garbage: looking for it would be a tenth of the time until the source is asked.
gc.disable()

from mediaimport_importer.process import main  # noqa: E402 - see above

if __name__ == "__main__":
    gc.freeze()
    gc.enable()
    exit_code = main(sys.argv[1:])
    sys.stdout.flush()
    # Threads may still wait in the network; nothing that they could bring is wanted any more.
    os._exit(exit_code)
