"""History of the figures: one line of build/bench/history.jsonl for each benchmark that ran to its end."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dev.bench.figures import FOLDER
from dev.cluster.cache import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FILE = FOLDER / "history.jsonl"
Row = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One run of one benchmark. `form`: its sizes."""

    name: str
    time: str
    commit: str
    machine: Mapping[str, Any]
    form: Mapping[str, Any]
    figures: Sequence[Row]


def append(
    name: str, *, form: Mapping[str, Any], figures: Sequence[Row], load_before: float, file: Path = FILE
) -> None:
    """Record a run that ends now, of this commit on this machine; `load_before`: that of its start."""
    hardware = {**machine(), "load_before": round(load_before, 2)}
    run = Run(name, datetime.now(UTC).isoformat(timespec="seconds"), commit(), hardware, form, figures)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as lines:
        lines.write(json.dumps(vars(run), ensure_ascii=False) + "\n")


def read(file: Path = FILE) -> list[Run]:
    """Return all runs, the oldest first."""
    return [Run(**json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []


def commit() -> str:
    """Return the short commit of the checkout; `+` marks changes since."""
    return _git("rev-parse", "--short", "HEAD") + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")


def machine() -> dict[str, Any]:
    """Return what figures depend on: processors, memory and kernel."""
    information = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in information if line.startswith("model name")), "unknown")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory / 1e9, 1),
        "kernel": platform.release().partition("-")[0],
    }


def load() -> float:
    """Return the processes that ran or waited for a processor, on average of the last minute."""
    return os.getloadavg()[0]


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout.strip()
