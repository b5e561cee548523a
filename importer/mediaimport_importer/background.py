"""Work beside the main thread whose outcome, value or error, is always collected."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def start(name: str, work: Callable[[], T]) -> Future[T]:
    """Run `work` in a daemon thread: one that hangs in the network never keeps the process from ending."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whatever it is, whoever asks the future shall see it
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
