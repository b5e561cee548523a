"""Programs in processes of their own that start at once: forked from one that has their libraries in memory.

To start Python and import boto3 takes longer than all that most tests do with a process.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import runpy
import select
import signal
import sys
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from multiprocessing.context import ForkServerContext, ForkServerProcess

_LIBRARIES = [
    "pytest",  # else each process would import it: multiprocessing loads its parent's main module
    "awscrt.checksums",
    "mediaimport_importer.process",
    "mediaimport_importer.deletion",
    "mediaimport_importer.store.asset",
    __name__,
]


@dataclass(frozen=True)
class Program:
    """A running program."""

    process: ForkServerProcess

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """End it at once; return when it has ended. Another thread may wait for it meanwhile."""
        assert self.process.pid is not None
        descriptor = os.pidfd_open(self.process.pid)
        try:
            self.send_signal(signal.SIGKILL)
            select.select([descriptor], [], [], 10)
        finally:
            os.close(descriptor)

    def wait(self, timeout_s: float) -> int:
        """Return the exit code, negative for a signal; TimeoutError."""
        self.process.join(timeout_s)
        if self.process.exitcode is None:
            raise TimeoutError(f"the program still runs after {timeout_s} s")
        return self.process.exitcode


def start(module: str, variables: Mapping[str, str]) -> Program:
    """Run `python -m module` with these variables alone and no output."""
    process = _context().Process(target=_run, args=(module, dict(variables)), daemon=True)
    process.start()
    return Program(process)


@cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LIBRARIES)
    return context


def _run(module: str, variables: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = [module]
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123 - as a stream of text
        runpy.run_module(module, run_name="__main__", alter_sys=True)
