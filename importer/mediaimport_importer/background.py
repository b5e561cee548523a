"""Background threads whose value or error is always delivered, as a Future."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def start(name: str, work: Callable[[], T]) -> Future[T]:
    """Run `work` in a daemon thread: one that hangs in the network does not keep the process alive."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - the future delivers every error to its reader
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
