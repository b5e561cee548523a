"""Running other programs so that nothing of them outlives us, and so that their words are there when they fail."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from dev.cluster.errors import CommandFailedError

TAIL_LINES = 25


def run(
    argv: Sequence[str | Path], *, log: Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> None:
    """Run a program to its end, its words in `log`; raise with their tail if it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as words:
        process = subprocess.run(
            argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=words, stderr=subprocess.STDOUT, check=False
        )
    if process.returncode:
        raise CommandFailedError(
            f"{' '.join(map(str, argv))} failed ({process.returncode}):\n{_tail(log)}\n(all of it: {log})"
        )


def run_enclosed(
    argv: Sequence[str | Path], *, log: Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> None:
    """Run a program as `run` does; its children and mounts end with it, and it ends when we do, even if killed.

    A second run must never meet a compiler or a half-mounted root file system of the first.
    """
    enclosed = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private")
    run(["setpriv", "--pdeathsig", "KILL", *(enclosed if os.geteuid() == 0 else ()), *argv], log=log, cwd=cwd, env=env)


def output(argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> str:
    """Return what a short program printed; raise with its complaint if it fails."""
    process = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if process.returncode:
        raise CommandFailedError(f"{' '.join(map(str, argv))} failed ({process.returncode}): {process.stderr.strip()}")
    return process.stdout.strip()


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-TAIL_LINES:])
