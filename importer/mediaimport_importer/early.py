"""The request to the source, sent before most of the importer is imported: the source may answer meanwhile.

Nothing here, nor what it imports, imports pydantic.
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mediaimport_api.names import TASK_VARIABLE
from mediaimport_runtime.environment import BadSettingError, Environment

from mediaimport_importer import background
from mediaimport_importer.source import headers
from mediaimport_importer.source.guard import FIRST_BYTE_S, FIRST_BYTE_VARIABLE, Pace
from mediaimport_importer.source.open import DEADLINE_SHARE, Access, MediaSource, opened
from mediaimport_importer.source.proxy import Proxy

if TYPE_CHECKING:
    from types import TracebackType

    from mediaimport_importer.source.open import SourceFields


@dataclass(frozen=True)
class _RawSource:
    """A source as a task's JSON has it, which the operator has checked and the importer checks again."""

    location: str
    expires_at: datetime | None
    headers_secret_ref: object | None
    provider: object | None

    @classmethod
    def of(cls, source: dict[str, Any]) -> _RawSource:
        return cls(
            source["url"], _moment(source.get("expiresAt")), source.get("headersSecretRef"), source.get("provider")
        )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


class EarlyRequest(AbstractContextManager[MediaSource]):
    """A request that is under way. As a context manager it gives the source, or raises why there is none."""

    def __init__(self, source: SourceFields, access: Access) -> None:
        """Send the request in a thread."""
        self._sent = threading.Event()
        self._opened = opened(source, replace(access, on_request_sent=self._sent.set))
        self._media = background.start("early request", self._open)

    def _open(self) -> MediaSource:
        try:
            return self._opened.__enter__()
        finally:
            self._sent.set()

    def wait_until_sent(self) -> None:
        """Wait until the request is sent, or has failed."""
        self._sent.wait()

    def __enter__(self) -> MediaSource:
        """Wait for the response; AttemptError."""
        return self._media.result()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self._opened.__exit__(kind, error, trace)


def begin(env: Environment) -> EarlyRequest | None:
    """Send the request of a task that begins with one; None for every other, and for settings that are not valid.

    Another attempt, or run, looks at the store first. What is not valid is reported by who reads all of it.
    """
    try:
        task = json.loads(env.text(TASK_VARIABLE))
        source = _RawSource.of(task["spec"]["source"])
        if task["attempt"] > 1 or task["run"] or not source.location.lower().startswith("http"):
            return None
        deadline_s = time.monotonic() + task["deadlineSeconds"] * DEADLINE_SHARE
        access = Access(
            env.source_policy(),
            Pace(deadline_s, first_byte_s=env.integer(FIRST_BYTE_VARIABLE, FIRST_BYTE_S, least=1)),
            Proxy.read(env),
            headers.directory(env),
            created_at=_moment(task.get("createdAt")),
        )
    except (BadSettingError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return EarlyRequest(source, access)
