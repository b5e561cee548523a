from __future__ import annotations

import pytest

from dev.cluster.run.progress import Step, left_s, sentence


def test_tasks_one_after_another_add_up() -> None:
    assert left_s({"compile": Step(300), "start": Step(10, after=("compile",))}, now_s=0) == 310


def test_tasks_in_parallel_last_as_long_as_the_longest() -> None:
    assert left_s({"compile": Step(300), "build": Step(200)}, now_s=0) == 300


def test_time_that_a_task_has_run_is_taken_off() -> None:
    assert left_s({"compile": Step(300, began_s=50)}, now_s=150) == 200


def test_slow_machine_makes_the_rest_longer() -> None:
    steps = {"install": Step(60, began_s=0, ended_s=120), "compile": Step(300, after=("install",))}
    assert left_s(steps, now_s=120) == 600


def test_task_that_was_cached_says_nothing_of_the_machine() -> None:
    steps = {"install": Step(60, began_s=0, ended_s=0.5), "compile": Step(300, after=("install",))}
    assert left_s(steps, now_s=1) == 300


def test_task_that_takes_longer_than_expected_is_never_said_to_be_done() -> None:
    assert left_s({"compile": Step(300, began_s=0)}, now_s=400) == pytest.approx(40)


def test_task_of_unknown_length_counts_as_nothing() -> None:
    assert left_s({"build": Step(0, began_s=0)}, now_s=90) == 0


@pytest.mark.parametrize(
    ("typical_s", "said"),
    [
        (301, "about 4 minutes left: compile"),
        (100, "less than a minute left: compile"),
        (0, "still running: compile"),
    ],
)
def test_minutes_left_are_said_with_what_is_running(typical_s: float, said: str) -> None:
    steps = {
        "install": Step(60, began_s=0, ended_s=60),
        "compile": Step(typical_s, began_s=0),
        "start": Step(0, after=("compile",)),
    }
    assert sentence(steps, now_s=100) == said
