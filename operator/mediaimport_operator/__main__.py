"""`python -m mediaimport_operator`: reads the environment once and runs the operator."""

from __future__ import annotations

import os
import sys

import uvloop
from mediaimport_runtime import logs, long_lived
from mediaimport_runtime.environment import BadSettingError, Environment
from mediaimport_runtime.kubernetes.client import allow_deep_json

from mediaimport_operator.run.operator import run
from mediaimport_operator.settings.operator import Settings


def main() -> int:
    """Run the operator; return 2 for a bad setting, 1 for a failure."""
    try:
        settings = Settings.read(Environment(os.environ))
    except BadSettingError as error:
        print(error, file=sys.stderr)
        return 2
    logs.configure(settings.log_level)
    allow_deep_json()
    # What is imported stays: each whole collection would look through it, which takes 20 ms.
    long_lived.freeze()
    try:
        # Its TLS and its sockets cost half of asyncio's own.
        uvloop.run(run(settings))
    except Exception as error:  # noqa: BLE001 - the log ends with the cause
        print(f"operator ended: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
