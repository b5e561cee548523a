from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from mediaimport_webhook.generation.providers.fetched_secret import FetchedSecret
from mediaimport_webhook.http.problems import Problem


def test_generator_that_never_ends_its_answer_is_given_up_and_left_alone() -> None:
    asked = []

    async def hang() -> str:
        asked.append(1)
        await asyncio.sleep(60)
        return "whsec_AAAA"

    async def statuses() -> list[int]:
        secret = FetchedSecret(hang, lambda: datetime(2026, 1, 1, tzinfo=UTC), timeout_s=0.05)
        found = []
        for _ in range(3):
            with pytest.raises(Problem) as problem:
                await asyncio.wait_for(secret.get(), 2)
            found.append(int(problem.value.status))
        return found

    assert (asyncio.run(statuses()), len(asked)) == ([503, 503, 503], 1)
