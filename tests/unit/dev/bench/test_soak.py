from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from dev.bench.webhook.soak import Minute, Sample, by_class, figures, soak
from dev.bench.webhook.soak_load import ERROR, LATE
from tests.support.webhook_process import running_webhook
from tests.support.webhook_surroundings import Surroundings

if TYPE_CHECKING:
    from pathlib import Path

OK = Counter({("poll", 200): 10, ("forged", 401): 1})


def minute(memory_mb: float = 100, descriptors: int = 20) -> Minute:
    return Minute([Sample(memory_mb - 1, descriptors), Sample(memory_mb + 1, descriptors)], Counter(), 5)


def missed(last: Minute, answers: Counter[tuple[str, int]] = OK) -> list[str]:
    """Return the figures that miss their bars."""
    found = figures([minute(), minute(1000, 1000), last], answers, where="test")
    return [each.figure for each in found if each.bar and not each.bar.holds(each.value)]


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (minute(), []),
        (minute(116, 36), []),
        (minute(50, 5), []),
        (minute(117), ["growth of memory"]),
        (minute(descriptors=37), ["growth of file descriptors"]),
    ],
)
def test_last_minute_must_not_exceed_the_first_by_more_than_the_bar(last: Minute, expected: list[str]) -> None:
    assert missed(last) == expected


def test_one_answer_5xx_or_none_at_all_misses_the_bar() -> None:
    answers = OK + Counter({("callback", 503): 1, ("list", ERROR): 1})
    assert missed(minute(), answers) == ["answers 5xx", "requests without an answer"]
    assert by_class(answers) == {"2xx": 10, "4xx": 1, "5xx": 1, "none": 1}


def test_load_makes_follows_and_deletes_assets_with_nothing_but_expected_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("dev.bench.webhook.soak_load.LIFETIME_S", 1.0)
    with Surroundings(tmp_path).running() as around, running_webhook(tmp_path, around.variables) as webhook:
        minutes, answers = asyncio.run(soak(webhook, minutes=2, minute_s=1.5, warm_up_s=1, sample_s=0.2))
    expected = {
        ("callback", 200), ("import", 202), ("poll", 200), ("list", 200), ("stream", 200), ("delete", 202),
        ("forged", 401), ("unknown", 404),
    }  # fmt: skip
    assert {(kind, status) for kind, status in answers if kind != LATE} == expected
    assert all(each.memory_mb > 20 and each.descriptors > 5 for each in minutes)
    assert len(capsys.readouterr().out.splitlines()) == 3
