"""The prober's entry point: `python -m mediaimport_prober`."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from mediaimport_runtime.environment import BadSettingError, Environment

from mediaimport_prober import landlock, sandbox
from mediaimport_prober.memory import DEFAULT_BYTES, Budget
from mediaimport_prober.server import Server
from mediaimport_prober.tools import Tools

_PROGRAMS = tuple(Path(each) for each in ("/usr", "/lib", "/lib64", "/bin"))
_DATA = tuple(
    Path(each) for each in ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/dev/urandom", "/etc/fonts")
)


def confine(directory: Path, *, tools: Path | None = None) -> None:
    """Restrict a child by Landlock to the programs and to reading the scratch directory: no secret, no network."""
    landlock.confine(
        readable=(directory, Path(sys.prefix), Path(sys.base_prefix), Path(__file__).parents[1], *_DATA),
        executable=(*_PROGRAMS, *((tools,) if tools else ())),
        writable=(Path("/dev/null"),),
    )


def load_libvips() -> None:
    """Load libvips, which each picture's process then has; without it, the processes try, and say why not."""
    try:
        import mediaimport_prober.vips  # noqa: F401, PLC0415 - connections wait in the socket's queue meanwhile
    except Exception as error:  # noqa: BLE001 - pyvips raises a bare Exception; ffprobe and ffmpeg serve without it
        cause = f"{type(error).__name__}: {error}"
        print(json.dumps({"level": "warning", "msg": "libvips cannot be loaded", "error": cause}), flush=True)


def main() -> int:
    """Listen until SIGTERM; return 1 if a setting is missing or invalid."""
    env = Environment(os.environ)
    try:
        directory, path = Path(env.text("SCRATCH_DIRECTORY")), Path(env.text("PROBER_SOCKET"))
        budget = Budget(env.integer("PROBER_MEMORY_BYTES", DEFAULT_BYTES))
        tools = env.optional("PROBER_TOOLS_DIRECTORY")
    except BadSettingError as error:
        print(error, file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    directory = directory.resolve()
    landlock_version = landlock.version()
    folder = Path(tools).resolve() if tools else None
    search_path = f"{folder}:{sandbox.SEARCH_PATH}" if folder else sandbox.SEARCH_PATH
    server = Server(
        path,
        Tools(directory, budget=budget, search_path=search_path),
        prepare=lambda: confine(directory, tools=folder) if landlock_version else None,
    )
    listening = {"level": "info", "msg": "prober is listening", "socket": str(path), "landlock": landlock_version}
    print(json.dumps(listening), flush=True)
    # libvips reads the environment: it is to be as empty as the other tools have it.
    os.environ.clear()
    os.environ.update(sandbox.ENVIRONMENT)
    load_libvips()
    server.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
