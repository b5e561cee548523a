"""Intake of finished predictions: one import for each media output, all persisted before the callback is answered."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal

from mediaimport_runtime.kubernetes.errors import KubernetesError, UnavailableError
from pydantic import ValidationError

from mediaimport_webhook.generation.ends import WHOLE_LIFETIME, Ends
from mediaimport_webhook.generation.failures import Failures
from mediaimport_webhook.generation.idempotency import Claims
from mediaimport_webhook.generation.inline import InlineFile, is_too_large
from mediaimport_webhook.generation.outputs import Output, announce_outputs, generated_manifest, media_outputs
from mediaimport_webhook.generation.owner import InvalidTokenError, Owner, OwnerToken, OwnerTokens, text_in
from mediaimport_webhook.generation.providers import Prediction, PredictionOutcome
from mediaimport_webhook.generation.recipe import RecordedRecipe, recorded
from mediaimport_webhook.http import problems
from mediaimport_webhook.imports.create import CreationOutcome, CreationResult, Imports
from mediaimport_webhook.store import IncomingStore, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from mediaimport_webhook.cluster import Cluster, Resource
    from mediaimport_webhook.generation.records import Records
    from mediaimport_webhook.settings import InputProvenance

log = logging.getLogger(__name__)
_MAX_CONCURRENCY = 8
"""Of callbacks, and of creations. More make each slower (measured: 215 creations/s with 8, 90/s with 32)."""
_MAX_WAIT_S = 8.0
"""Soon after that the callback's sender hangs up, and sends it again."""
_RETRY_AFTER_S = 5
_MAX_OUTPUTS = 500
_EVENT_TIMEOUT_S = 2.0
_NOT_SUCCEEDED, _NO_MEDIA, _REFUSED = "PredictionNotSucceeded", "NoMediaOutput", "OutputRefused"
"""Reasons for which no asset comes of a prediction."""
_NOT_ACCEPTED = frozenset({CreationOutcome.REFUSED, CreationOutcome.TAKEN})
_NOT_IMPORTED = _NOT_ACCEPTED | {CreationOutcome.DELETED}


@dataclass(frozen=True)
class OutputResult:
    """Result for one output."""

    output: Output
    created: CreationResult


@dataclass(frozen=True)
class IntakeResult:
    """Result for a prediction: `imported` if one of its outputs is, or `ignored` with the reason."""

    status: Literal["imported", "ignored"]
    reason: str = ""
    outputs: tuple[OutputResult, ...] = ()


class ConcurrencyLimiter:
    """Concurrency limiter: a few run at a time, first come, first served; a long wait is refused."""

    def __init__(self, limit: int, *, max_wait_s: float) -> None:
        self._slots = asyncio.Semaphore(limit)
        self._max_wait_s = max_wait_s

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a slot and hold it; UnavailableError after `max_wait_s`."""
        try:
            async with asyncio.timeout(self._max_wait_s):
                await self._slots.acquire()
        except TimeoutError:
            raise UnavailableError("too many callbacks at once", retry_after_s=_RETRY_AFTER_S) from None
        try:
            yield
        finally:
            self._slots.release()


@dataclass(frozen=True)
class _Made:
    """Import of an output that is to be created: its manifest, or why there is none; and a file to store before."""

    manifest: Resource | None
    refusal: str = ""
    inline: InlineFile | None = None


async def _made(
    recipe: RecordedRecipe, output: Output, *, owner: Owner, expires_at: datetime | None, recovered: bool
) -> _Made:
    try:
        inline = await asyncio.to_thread(InlineFile.of, output.url) if is_too_large(output) else None
    except ValueError as error:
        return _Made(None, f"it is a data: URI that {error}")
    try:
        manifest = generated_manifest(
            recipe, output, owner=owner, expires_at=expires_at, recovered=recovered, inline=inline
        )
    except ValidationError as error:
        return _Made(None, problems.first_error(error))
    return _Made(manifest, inline=inline)


class Intake:
    """Imports the outputs of predictions. A callback and recovery make the same imports."""

    def __init__(  # noqa: PLR0913 - all that a prediction's end leads to meets here
        self,
        *,
        cluster: Cluster,
        imports: Imports,
        incoming: IncomingStore,
        tokens: OwnerTokens,
        records: Records,
        default_user_id: str,
        input_provenance: InputProvenance = "full",
        tells_failures: bool = False,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._cluster = cluster
        self._imports = imports
        self._incoming = incoming
        self._tokens = tokens
        self._ends = Ends(records)
        self._failures = Failures(records, clock=clock) if tells_failures else None
        self._claims = Claims(records)
        self._default_owner = Owner(default_user_id)
        self._input_provenance = input_provenance
        self._clock = clock
        self._limiter = ConcurrencyLimiter(_MAX_CONCURRENCY, max_wait_s=_MAX_WAIT_S)
        self._creations = asyncio.Semaphore(_MAX_CONCURRENCY)

    async def receive(self, prediction: Prediction, *, token_text: str | None) -> IntakeResult:
        """Accept a callback with the token in its URL; a 403 Problem and an Event if the token is not valid.

        The prediction's own URL is signed by the generator, that of the request is not: both must say the same.
        """
        try:
            token = self._tokens.read(token_text, text_in(prediction.callback_url))
        except InvalidTokenError as error:
            await self._report(prediction, "OwnerTokenRefused", str(error))
            detail = f"The callback is refused: {error}."
            raise problems.Problem(HTTPStatus.FORBIDDEN, "owner-token-refused", detail) from None
        if token is None:
            return await self.accept(prediction, token)
        # The two need nothing of each other, and a callback's sender waits.
        result, _ = await asyncio.gather(self.accept(prediction, token), self._claims.note(token, prediction))
        return result

    async def accept(
        self, prediction: Prediction, token: OwnerToken | None, *, recovered: bool = False
    ) -> IntakeResult:
        """Create the missing imports, and those that exist stay; UnavailableError, StoreUnavailableError.

        Either says that not all are persisted: the second, that a file which came inline cannot be stored.
        Without a token they belong to the default user. `recovered` labels the imports of a prediction whose callback
        never came.
        """
        if prediction.outcome is PredictionOutcome.RUNNING:
            return IntakeResult("ignored", reason=f"its state is {prediction.state}")
        if prediction.outcome is PredictionOutcome.FAILED:
            await self.record_end(prediction, token)
            return await self._ignore(prediction, _NOT_SUCCEEDED, f"its state is {prediction.state}")
        outputs = media_outputs(prediction.output)
        if not outputs:
            await self.record_end(prediction, token)
            return await self._ignore(prediction, _NO_MEDIA, "its output has no URL of a file")
        if len(outputs) > _MAX_OUTPUTS:
            detail = f"of {len(outputs)} outputs the first {_MAX_OUTPUTS} are imported"
            await self._report(prediction, "TooManyOutputs", detail)
        async with self._limiter.slot():
            owner = self._default_owner if token is None else token.owner
            results = await self._import_all(prediction, outputs[:_MAX_OUTPUTS], owner=owner, recovered=recovered)
        await self._record_imported(prediction, owner, results)
        if all(each.created.outcome in _NOT_IMPORTED for each in results):
            return IntakeResult("ignored", reason="none of its outputs is imported", outputs=results)
        return IntakeResult("imported", outputs=results)

    async def record_end(self, prediction: Prediction, token: OwnerToken | None) -> None:
        """Record the end of a prediction without assets, once; UnavailableError.

        Endpoints are told of it; a user who asks, only if the prediction has an owner.
        """
        if self._failures is not None:
            reason = _NOT_SUCCEEDED if prediction.outcome is PredictionOutcome.FAILED else _NO_MEDIA
            owner = self._default_owner if token is None else token.owner
            await self._failures.record(prediction, owner, reason)
        if token is not None:
            await self._ends.record(prediction, token.owner)

    async def _record_imported(self, prediction: Prediction, owner: Owner, results: tuple[OutputResult, ...]) -> None:
        """Record an end that the assets may not tell: a single asset that was accepted tells it by itself."""
        accepted = sum(each.created.outcome not in _NOT_ACCEPTED for each in results)
        if not accepted and self._failures is not None:
            await self._failures.record(prediction, owner, _REFUSED)
        if accepted < len(results):
            await self._ends.record(prediction, owner, accepted=accepted)
        elif accepted > 1:
            await self._ends.record(prediction, owner, accepted=accepted, lifetime=WHOLE_LIFETIME)

    async def _import_all(
        self, prediction: Prediction, outputs: list[Output], *, owner: Owner, recovered: bool
    ) -> tuple[OutputResult, ...]:
        """Try every output, so that the failure of one delays no other; then raise the first failure."""
        expires_at = self._expires_at(prediction)
        recipe = recorded(prediction, self._input_provenance)
        made = [await _made(recipe, each, owner=owner, expires_at=expires_at, recovered=recovered) for each in outputs]
        announce_outputs(prediction, [each.manifest for each in made if each.manifest is not None])
        imports = (self._import(prediction, output, each) for output, each in zip(outputs, made, strict=True))
        results = await asyncio.gather(*imports, return_exceptions=True)
        for each in results:
            if isinstance(each, BaseException):
                raise each
        return tuple(each for each in results if isinstance(each, OutputResult))

    def _expires_at(self, prediction: Prediction) -> datetime | None:
        lifetime = prediction.files_lifetime
        return None if lifetime is None else (prediction.completed_at or self._clock()) + lifetime

    async def _import(self, prediction: Prediction, output: Output, made: _Made) -> OutputResult:
        if made.manifest is None:
            created = CreationResult(CreationOutcome.REFUSED, message=made.refusal)
        else:
            async with self._creations:
                created = await self._created(prediction, output, made.manifest, made.inline)
        if created.outcome in _NOT_ACCEPTED:
            await self._report(prediction, _REFUSED, f"output {output.pointer or '/'}: {created.message}")
        return OutputResult(output, created)

    async def _created(
        self, prediction: Prediction, output: Output, manifest: Resource, inline: InlineFile | None
    ) -> CreationResult:
        """Create the import, after its inline file is stored. A repeated callback finds the import, and stores none."""
        if inline is not None:
            existing = await self._imports.existing(manifest)
            if existing is not None:
                return existing
            try:
                await self._incoming.put(manifest["spec"]["source"]["store"]["key"], inline)
            except StoreUnavailableError as error:
                detail = f"output {output.pointer or '/'}, which came inline, cannot be stored ({error}); send it again"
                await self._report(prediction, "OutputNotStored", detail)
                raise
        return await self._imports.create(manifest)

    async def _ignore(self, prediction: Prediction, reason: str, detail: str) -> IntakeResult:
        await self._report(prediction, reason, detail)
        return IntakeResult("ignored", reason=detail)

    async def _report(self, prediction: Prediction, reason: str, detail: str) -> None:
        """Log the reason and post an Event. A failure to post is only logged."""
        fields = {"provider": prediction.provider, "prediction": prediction.id, "reason": reason, "detail": detail}
        log.warning("a prediction was not imported, or not whole", extra=fields)
        message = f"{prediction.provider} {prediction.id}: {detail}"
        try:
            async with asyncio.timeout(_EVENT_TIMEOUT_S):
                await self._cluster.post_event(reason=reason, message=message)
        except (KubernetesError, TimeoutError) as error:
            cause = str(error) or f"no answer in {_EVENT_TIMEOUT_S:g} s"
            log.warning("the Event could not be posted", extra={"reason": reason, "error": cause})
