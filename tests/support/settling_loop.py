"""Event loop of tests: it ends the connections whose closing has begun before it closes itself."""

from __future__ import annotations

import asyncio
from typing import Any


class SettlingLoop(asyncio.SelectorEventLoop):
    """Loop for `asyncio.run`, which a program runs for its whole life and a test for one call.

    A TLS connection that is closed waits for its peer's answer, and aiohttp does not wait for that. A loop that ends
    before it leaves a socket that Python warns about in whichever test runs when it is collected. A connection that
    nobody closed stays as it is: that is a fault of the program, and Python's warning tells it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._made: list[asyncio.BaseTransport] = []

    async def create_connection(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - asyncio's own
        """Make a connection as asyncio does."""
        transport, protocol = await super().create_connection(*arguments, **options)
        self._made.append(transport)
        return transport, protocol

    def close(self) -> None:
        """End the connections that are closing, then the loop."""
        closing = [each for each in self._made if isinstance(each, asyncio.Transport) and each.is_closing()]
        self._made.clear()
        if closing and not self.is_closed():
            for each in closing:
                each.abort()
            self.run_until_complete(asyncio.sleep(0))
        super().close()


class SettlingPolicy(asyncio.DefaultEventLoopPolicy):
    """Makes each new loop a `SettlingLoop`."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """Return a loop that settles before it closes."""
        return SettlingLoop()
