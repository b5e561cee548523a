"""The webhook as its image has it, with a task that measures its event loop."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from mediaimport_webhook.settings import Settings

# httpx loads both for its command line where it finds them: tools of developers have them, the image has not.
sys.modules.update(dict.fromkeys(("pygments", "rich"), cast("object", None)))  # type: ignore[arg-type]  # not to be found

from mediaimport_webhook import __main__ as program  # noqa: E402 - after the above

from dev.bench.longest_turn import watched  # noqa: E402 - likewise


async def timed(settings: Settings) -> int:
    """Serve, and note the longest turn."""
    async with watched():
        return await program.serve(settings)


if __name__ == "__main__":
    program._COMMANDS["serve"] = timed  # noqa: SLF001 - of this repository
    sys.exit(program.main())
