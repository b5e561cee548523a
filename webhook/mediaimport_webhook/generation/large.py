"""Callbacks that are too large to be held: checked while they pass, then read from the generator's API instead."""

from __future__ import annotations

import json
import logging
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from mediaimport_runtime.kubernetes.errors import UnavailableError

from mediaimport_webhook.generation.intake import ConcurrencyLimiter
from mediaimport_webhook.generation.providers import PredictionOutcome
from mediaimport_webhook.http import problems
from mediaimport_webhook.http.limits import overloaded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from mediaimport_webhook.generation.providers import BodyCheck, Prediction, Provider
    from mediaimport_webhook.generation.skeleton import Skeleton
    from mediaimport_webhook.http.bodies import LongBody

log = logging.getLogger(__name__)
_MAX_WAIT_S = 8.0
"""As of any callback: soon after that its sender hangs up, and sends it again."""


class LargeCallbacks:
    """Reads large predictions from the generators' APIs, of all generators one at a time: each may fill much memory."""

    def __init__(self, *, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._limiter = ConcurrencyLimiter(1, max_wait_s=_MAX_WAIT_S)

    async def pass_on(self, body: LongBody, check: BodyCheck, skeleton: Skeleton, *, provider: Provider) -> None:
        """Let the body pass; a 413 Problem if it is above the hard limit."""
        try:
            async for piece in body.pieces(limit_bytes=self._limit_bytes):
                check.update(piece)
                skeleton.update(piece)
        except problems.Problem as problem:
            if problem.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                self._log_too_large(provider)
            raise

    async def parse(self, provider: Provider, skeleton: Skeleton) -> Prediction:
        """Return the prediction without its output; a 400 Problem if there is none, 413 if it is hidden too well."""
        try:
            return await provider.parse(json.dumps(skeleton.members).encode())
        except problems.Problem:
            if skeleton.is_exhausted:
                self._log_too_large(provider)
                raise _too_many_parts() from None
            raise

    @asynccontextmanager
    async def whole(
        self, provider: Provider, prediction: Prediction, parameters: Mapping[str, str]
    ) -> AsyncIterator[Prediction]:
        """Give the prediction as the generator's API has it; a 503 Problem with Retry-After without it.

        A prediction that did not succeed has nothing to import, and is given as it is.
        """
        if prediction.outcome is not PredictionOutcome.SUCCEEDED:
            yield prediction
            return
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._limiter.slot())
            except UnavailableError:
                raise overloaded("large callbacks") from None
            yield await self._read(provider, prediction, parameters)

    async def _read(self, provider: Provider, prediction: Prediction, parameters: Mapping[str, str]) -> Prediction:
        try:
            return await provider.read_again(prediction, parameters)
        except problems.Problem as problem:
            fields = {"provider": prediction.provider, "prediction": prediction.id, "error": problem.detail}
            log.warning("a large callback's prediction could not be read", extra=fields)
            raise _again(problem) from None

    def _log_too_large(self, provider: Provider) -> None:
        log.warning("a callback is too large", extra={"provider": provider.name, "limit_bytes": self._limit_bytes})


def _too_many_parts() -> problems.Problem:
    detail = "The callback has more values than are passed to find the prediction's id among them."
    return problems.Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body-too-large", detail)


def _again(problem: problems.Problem) -> problems.Problem:
    """Return the refusal with which the generator repeats the callback, whatever its own API said."""
    slug = problem.slug if problem.status == HTTPStatus.SERVICE_UNAVAILABLE else "result-missing"
    headers = {"Retry-After": str(problems.RETRY_AFTER_S)} | dict(problem.headers)
    detail = f"The callback is too large to be read itself. {problem.detail}"
    return problems.Problem(HTTPStatus.SERVICE_UNAVAILABLE, slug, detail, members=problem.members, headers=headers)
