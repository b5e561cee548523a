"""Worker processes of the commands that walk the store: each reads some assets at a time, and says what came of it."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import signal
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar

from mediaimport_runtime import logs

from mediaimport_webhook.catalogue.archive import DatabaseUnavailableError
from mediaimport_webhook.store import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from multiprocessing.connection import Connection

    from mediaimport_webhook.store.listing import ListedAsset

_CHUNK = 1000
"""Assets that a process is given at a time."""
_END_S = 5.0
_OBJECTS_BETWEEN_COLLECTIONS = 100_000
Result = TypeVar("Result")


class WorkerLostError(Exception):
    """A process ended in the middle of its work: it was killed, for its memory perhaps, or has an error in its log."""


class WorkSettings(Protocol):
    """Settings that reach a process."""

    @property
    def log_level(self) -> str:
        """Return the level of its log."""

    @property
    def processes(self) -> int:
        """Return the number of processes; 1 works in this one."""


Work: TypeAlias = "Callable[[list[ListedAsset]], Awaitable[Result]]"
Opener: TypeAlias = "Callable[[Any], AbstractAsyncContextManager[Work[Any]]]"
"""Opens the work by the settings, in the process that does it."""


@dataclass(frozen=True)
class Workers(Generic[Result]):
    """Processes that work, or this one. `width`: the number of chunks that are worked on at the same time."""

    work: Work[Result]
    width: int

    chunk: int

    async def results(self, assets: AsyncIterator[ListedAsset]) -> AsyncGenerator[tuple[str, Result]]:
        """Yield what comes of the assets, some at a time and in their order, with the prefix of the last one.

        Errors of the work; WorkerLostError.
        """
        pending: deque[tuple[str, asyncio.Task[Result]]] = deque()
        try:
            async for chunk in _chunks(assets, self.chunk):
                task = asyncio.ensure_future(self.work(chunk))
                pending.append((chunk[-1].keys.prefix, task))
                # The next chunks are listed and wait, so that no process waits for the list.
                if len(pending) > 2 * self.width:
                    yield await _first(pending)
            while pending:
                yield await _first(pending)
        finally:
            for _, each in pending:
                each.cancel()
            await asyncio.gather(*(each for _, each in pending), return_exceptions=True)


async def _first(pending: deque[tuple[str, asyncio.Task[Result]]]) -> tuple[str, Result]:
    last, task = pending[0]
    result = await task
    pending.popleft()
    return last, result


async def _chunks(assets: AsyncIterator[ListedAsset], size: int) -> AsyncIterator[list[ListedAsset]]:
    chunk: list[ListedAsset] = []
    async for each in assets:
        chunk.append(each)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


class Processes:
    """Processes that were started. They are forks: start them before there is an event loop or a thread."""

    def __init__(self, opener: Opener, settings: WorkSettings, *, chunk: int = _CHUNK) -> None:
        self._opener = opener
        self._chunk = chunk
        self._settings = settings
        number = settings.processes
        self._members = [_Member(opener, settings) for _ in range(number)] if number > 1 else []

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[Workers[Any]]:
        """Yield them; at the end they are ended."""
        if not self._members:
            async with self._opener(self._settings) as work:
                yield Workers(partial(_alone, asyncio.Lock(), work), 1, self._chunk)
            return
        threads = ThreadPoolExecutor(len(self._members), "worker")
        turns = asyncio.Semaphore(len(self._members))
        try:
            yield Workers(partial(_by_the_next, turns, list(self._members), threads), len(self._members), self._chunk)
        finally:
            for each in self._members:
                each.end()
            threads.shutdown(wait=False, cancel_futures=True)


async def _alone(turn: asyncio.Lock, work: Work[Result], chunk: list[ListedAsset]) -> Result:
    async with turn:
        return await work(chunk)


async def _by_the_next(
    turns: asyncio.Semaphore, free: list[_Member], threads: ThreadPoolExecutor, chunk: list[ListedAsset]
) -> Any:  # noqa: ANN401 - the work's result
    """Return what the next free process says. A semaphore is fair, so no chunk meets an end that a later one caused."""
    async with turns:
        member = free.pop()
        try:
            return await asyncio.get_running_loop().run_in_executor(threads, member.ask, chunk)
        finally:
            free.append(member)


class _Member:
    """A process, and the pipe to it."""

    def __init__(self, opener: Opener, settings: WorkSettings) -> None:
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_run, args=(theirs, opener, settings), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, chunk: list[ListedAsset]) -> Any:  # noqa: ANN401 - the work's result
        """Return what the process says of these assets; errors of the work, WorkerLostError. It blocks."""
        with suppress(OSError):  # It has ended, and may have said why.
            self._pipe.send(chunk)
        try:
            answer = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join(_END_S)
            raise WorkerLostError(f"a process of the walk ended with code {self._process.exitcode}") from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def end(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.join(_END_S)


def _run(pipe: Connection, opener: Opener, settings: WorkSettings) -> None:
    """Be a process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A record makes hundreds of objects and no cycle: the search for cycles took a fifth of the processor time.
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    logs.configure(settings.log_level)
    asyncio.run(_answer(pipe, opener, settings))


async def _answer(pipe: Connection, opener: Opener, settings: WorkSettings) -> None:
    """Work on what comes through the pipe until it ends, or the process at its other side does."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        asyncio.get_running_loop().add_reader(parent.sentinel, os._exit, 1)
    try:
        async with opener(settings) as work:
            with suppress(EOFError):
                while True:
                    pipe.send(await work(await asyncio.to_thread(pipe.recv)))
    except (StoreUnavailableError, DatabaseUnavailableError) as error:
        pipe.send(type(error)(*error.args))
