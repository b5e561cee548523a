"""Answers of a generator's API, read piece by piece: as large as they may be, and no longer than they may take."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httpx

from mediaimport_webhook.http import problems

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT_SETTING = "LARGE_CALLBACK_MAX_BYTES"
_DEADLINE_S = 30.0
"""Of a whole answer: httpx limits the time of each part."""


@dataclass(frozen=True)
class Answer:
    """Answer with its content decoded."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def is_success(self) -> bool:
        """Tell whether the status is 2xx."""
        return httpx.codes.is_success(self.status_code)


@dataclass(frozen=True)
class Api:
    """API of one generator, by its name in messages."""

    name: str
    http: httpx.AsyncClient

    async def ask(
        self,
        method: str,
        url: str,
        *,
        limit_bytes: int | None = None,
        **arguments: Any,  # noqa: ANN401 - httpx's own
    ) -> Answer:
        """Return the answer; a 503 Problem without one, 502 for one that is longer than the limit."""
        try:
            async with (
                asyncio.timeout(_DEADLINE_S),
                self.http.stream(method, url, **arguments) as response,
            ):
                content = await self._read(response, limit_bytes)
        except (httpx.HTTPError, TimeoutError):
            raise problems.unavailable(self.name) from None
        return Answer(response.status_code, response.headers, content)

    async def _read(self, response: httpx.Response, limit_bytes: int | None) -> bytes:
        content = bytearray()
        async for piece in response.aiter_bytes():
            content += piece
            if limit_bytes is not None and len(content) > limit_bytes:
                raise self._too_long(limit_bytes)
        return bytes(content)  # the parser makes a copy of a bytearray

    def _too_long(self, limit_bytes: int) -> problems.Problem:
        detail = f"The answer of {self.name} is longer than {limit_bytes} bytes; {LIMIT_SETTING} is the limit."
        return problems.Problem(HTTPStatus.BAD_GATEWAY, "provider-answer-unreadable", detail)
