"""The prober's process: `python -m mediaimport_importer.prober`."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from mediaimport_api.environment import BadSettingError, Environment

from mediaimport_importer.prober.server import Server
from mediaimport_importer.prober.tools import Tools


def main() -> int:
    """Listen until SIGTERM; 1 if a setting is missing or wrong."""
    env = Environment(os.environ)
    try:
        directory, path = Path(env.text("SCRATCH_DIRECTORY")), Path(env.text("PROBER_SOCKET"))
    except BadSettingError as error:
        print(error, file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = Server(path, Tools(directory.resolve()))
    print(json.dumps({"level": "info", "msg": "prober is listening", "socket": str(path)}), flush=True)
    server.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
