"""Programs run to their end: none outlives this process, and an error carries the end of their output."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, BinaryIO

from dev.cluster.errors import CommandFailedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

TAIL_LINES = 25


def run(
    argv: Sequence[str | Path], *, log: Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> None:
    """Run a program with its output in `log`; CommandFailedError with the last lines if it fails."""
    with _appended(log) as output_file:
        process = subprocess.run(
            argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output_file, stderr=subprocess.STDOUT, check=False
        )
    _check(argv, process.returncode, log)


def run_to_its_end(argv: Sequence[str | Path], *, log: Path, env: Mapping[str, str] | None = None) -> None:
    """Run a program as `run` does, in a session of its own: neither Ctrl-C nor our end stops it."""
    with _appended(log) as output_file:
        process = subprocess.Popen(  # not `run`, which kills it after Ctrl-C
            argv,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output_file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        process.wait()
    _check(argv, process.returncode, log)


def run_enclosed(
    argv: Sequence[str | Path], *, log: Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> None:
    """Run a program as `run` does, so that its children and mounts end with it, and it with this process.

    The next run must never meet a compiler or a mounted root file system of a killed one.
    """
    enclosed = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private")
    run(["setpriv", "--pdeathsig", "KILL", *(enclosed if os.geteuid() == 0 else ()), *argv], log=log, cwd=cwd, env=env)


def output(argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> str:
    """Return what a short program printed; CommandFailedError with its error output if it fails."""
    process = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if process.returncode:
        raise CommandFailedError(f"{' '.join(map(str, argv))} failed ({process.returncode}): {process.stderr.strip()}")
    return process.stdout.strip()


def _appended(log: Path) -> BinaryIO:
    log.parent.mkdir(parents=True, exist_ok=True)
    return log.open("ab")


def _check(argv: Sequence[str | Path], status: int, log: Path) -> None:
    if status:
        raise CommandFailedError(f"{' '.join(map(str, argv))} failed ({status}):\n{_tail(log)}\n(all of it: {log})")


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-TAIL_LINES:])
