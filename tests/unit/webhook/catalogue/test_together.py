from __future__ import annotations

import asyncio

from mediaimport_webhook.catalogue.database.together import Together
from mediaimport_webhook.store import StoreUnavailableError


def test_answers_are_handed_out_some_at_a_time() -> None:
    """Whoever waits for others that never come gets its own when none is left."""
    order: list[str] = []

    async def fetch(url: str) -> tuple[int, bytes]:
        order.append(f"read {url}")
        await asyncio.sleep(0)
        if url == "3":
            raise StoreUnavailableError(url)
        return 200, url.encode()

    async def use(together: Together, numbers: list[str]) -> None:
        for each in numbers:
            try:
                await together.fetch(each)
            except StoreUnavailableError:
                order.append(f"wrong {each}")
            else:
                order.append(f"used {each}")

    async def scene() -> None:
        together = Together(fetch, some=2)
        await asyncio.gather(use(together, ["0", "2", "4"]), use(together, ["1", "3"]))

    asyncio.run(scene())
    steps = [sorted(order[first : first + 2]) for first in (0, 2, 4)]
    assert steps == [["read 0", "read 1"], ["used 0", "used 1"], ["read 2", "read 3"]]
    assert sorted(order[6:]) == ["read 4", "used 2", "used 4", "wrong 3"]
