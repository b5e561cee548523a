from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dev.bench.operator.operator_process import OperatorProcess
from dev.bench.operator.scale import Run, growth


def test_growth_is_told_from_each_count_to_the_next() -> None:
    small = Run(finished=1000, wall_s=60, cpu_s=10, requests=5000, peak_mb=100, longest_turn_ms=20)
    large = Run(finished=10_000, wall_s=1200, cpu_s=150, requests=50_000, peak_mb=180, longest_turn_ms=30)
    rows = {each.figure: each.value for each in growth((1000, small), (10_000, large))}
    assert rows == {
        "1000 to 10000: growth of operator CPU per import": 1.5,
        "1000 to 10000: growth of API requests per import": 1.0,
        "1000 to 10000: growth of the time per import": 2.0,
        "1000 to 10000: growth of peak memory": 80,
    }


def test_memory_is_in_millions_of_bytes_and_a_crash_gives_nothing_back() -> None:
    command = [sys.executable, "-c", "import time; held = bytearray(50_000_000); print(flush=True); time.sleep(60)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        operator = OperatorProcess(process, metrics_port=0, started_s=0, longest_turn=Path("none"))
        assert process.stdout is not None
        process.stdout.readline()
        status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        kib = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
        assert abs(operator.peak_mb - kib * 1024 / 1e6) < 1
        operator.kill()
        assert process.returncode == -9
