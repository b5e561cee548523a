"""The operator, with a task that measures its event loop."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from mediaimport_operator import __main__ as program
from mediaimport_operator.run.operator import run

from dev.bench.longest_turn import watched

if TYPE_CHECKING:
    from mediaimport_operator.settings.operator import Settings


async def timed(settings: Settings) -> None:
    """Run the operator, and note its longest turn."""
    async with watched():
        await run(settings)


if __name__ == "__main__":
    program.run = timed  # type: ignore[attr-defined]
    sys.exit(program.main())
