from __future__ import annotations

from dataclasses import dataclass, field

import aiohttp
import pytest
from mediaimport_operator.run.probes import serving_probes

pytestmark = pytest.mark.anyio


@dataclass
class State:
    unhealthy: str | None = None
    not_ready: str | None = None
    unavailable_namespaces: dict[str, str] = field(default_factory=dict)

    def unhealthy_reason(self) -> str | None:
        return self.unhealthy

    def not_ready_reason(self) -> str | None:
        return self.not_ready


async def answers(state: State) -> list[tuple[int, object]]:
    async with serving_probes(state, 0, host="127.0.0.1") as port, aiohttp.ClientSession() as session:
        found = []
        for path in ("healthz", "readyz"):
            async with session.get(f"http://127.0.0.1:{port}/{path}") as response:
                found.append((response.status, await response.json()))
        return found


async def test_healthy_and_ready_operator_answers_200() -> None:
    assert await answers(State()) == [(200, {"status": "ok"})] * 2


async def test_liveness_and_readiness_fail_by_themselves_and_say_why() -> None:
    waiting = await answers(State(not_ready="the operator does not hold the Lease"))
    assert waiting == [
        (200, {"status": "ok"}),
        (503, {"status": "unavailable", "reason": "the operator does not hold the Lease"}),
    ]
    stuck = await answers(State(unhealthy="the last resync was at 12:00:00 UTC"))
    assert [status for status, _ in stuck] == [503, 200]


async def test_readiness_names_the_namespaces_that_do_not_answer() -> None:
    _, ready = await answers(State(unavailable_namespaces={"gone": "403: forbidden"}))
    assert ready == (200, {"status": "ok", "unavailableNamespaces": {"gone": "403: forbidden"}})
