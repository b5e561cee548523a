"""Processor time and memory of a process, from its folder in /proc."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def cpu_s(folder: Path) -> float:
    """Return the processor time that the process has used."""
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb(folder: Path) -> float:
    """Return the most memory that the process has had."""
    lines = (folder / "status").read_text().splitlines()
    (line,) = [each for each in lines if each.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024 / 1e6
