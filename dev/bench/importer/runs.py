"""Runs of one contestant: time and memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.loopback.store import BUCKET

if TYPE_CHECKING:
    from tests.support.loopback.certificate import Certificate
    from tests.support.loopback.store import Store


@dataclass(frozen=True)
class Bench:
    """Files and servers of a run. Both URLs lead through the bandwidth limits, if there are any."""

    folder: Path
    certificate: Certificate
    store: Store
    source_url: str
    store_port: int
    size_bytes: int

    def environment(self) -> dict[str, str]:
        """Return the variables with which every contestant runs: one authority to trust, one store."""
        # In the image all bytecode is made beforehand; here it is, once it may be written.
        own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return {
            **own,
            **self.store.variables(port=self.store_port),
            "SSL_CERT_FILE": str(self.certificate.authority),
            "CURL_CA_BUNDLE": str(self.certificate.authority),
            "PYDANTIC_DISABLE_PLUGINS": "__all__",  # as in the image
        }

    @property
    def source_file(self) -> Path:
        """Return what the source serves."""
        return self.folder / "files" / "video.mp4"

    def clear(self) -> None:
        """Remove what a contestant has stored and left: the next one finds the disk as this one did."""
        for each in self.store_folder.iterdir():
            shutil.rmtree(each) if each.is_dir() else each.unlink()
        for scratch in self.folder.glob("scratch-*"):
            shutil.rmtree(scratch)

    @property
    def store_folder(self) -> Path:
        """Return where the store keeps its objects."""
        return self.folder / "objects" / BUCKET


@dataclass(frozen=True)
class Run:
    """Time and peak memory of one contestant."""

    wall_s: float
    peak_mb: float


def timed(command: list[str], environment: dict[str, str]) -> Run:
    """Run a program to its end; its output appears only if it fails."""
    peak_kb = 0
    start = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        while process.poll() is None:
            peak_kb = max(peak_kb, high_water_kb(process.pid))
            time.sleep(0.01)
        wall_s = time.monotonic() - start
        if process.returncode:
            output.seek(0)
            sys.exit(f"{command[0]} ended with {process.returncode}:\n{output.read()[-3000:].decode(errors='replace')}")
    return Run(wall_s, peak_kb * 1024 / 1e6)


def high_water_kb(pid: int) -> int:
    """Return a process's greatest resident memory so far; 0 when it has just ended.

    Not from its rusage: that counts what the parent held before exec.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    line = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return int(line.split()[1])


def median(runs: list[Run]) -> Run:
    """Return the run in the middle by time, with the greatest memory of all."""
    middle = sorted(runs, key=lambda run: run.wall_s)[len(runs) // 2]
    return Run(middle.wall_s, max(run.peak_mb for run in runs))
