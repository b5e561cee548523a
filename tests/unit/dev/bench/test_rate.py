from __future__ import annotations

from dev.bench.operator import load
from dev.bench.operator.pace import Usage
from dev.bench.operator.rate import Rate, picture


def test_rate_is_of_the_imports_that_are_ready() -> None:
    assert Rate(ready=200, wall_s=100.0, cpu_s=2.0).per_minute == 120


def test_cpu_time_is_that_of_the_process_alone() -> None:
    metrics = "# TYPE process_cpu_seconds counter\nprocess_cpu_seconds_total 1.5\n# TYPE up gauge\nup 1.0\n"
    assert Usage.of(metrics, at_s=0).cpu_s == 1.5


def test_pictures_differ_by_their_names_alone() -> None:
    first, second = picture(0, "http://replicate/picture.png"), picture(1, "http://replicate/picture.png")
    assert first["metadata"] == {"name": load.film(0)} != second["metadata"]
    assert first["spec"]["source"] == second["spec"]["source"] == {"url": "http://replicate/picture.png"}
