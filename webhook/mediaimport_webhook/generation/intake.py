"""What becomes of a generator's callback: one import an output, all of them persisted before it is answered."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Literal

from mediaimport_runtime.kubernetes.errors import KubernetesError
from pydantic import ValidationError

from mediaimport_webhook.generation.concurrency import Turns
from mediaimport_webhook.generation.owner import Owner
from mediaimport_webhook.generation.providers import Outcome, Output
from mediaimport_webhook.generation.providers.outputs import media_outputs
from mediaimport_webhook.http.problems import first_error
from mediaimport_webhook.imports.create import Created, Creation, Imports, generated_manifest

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_webhook.cluster import Cluster, Resource
    from mediaimport_webhook.generation.owner import Owners
    from mediaimport_webhook.generation.providers import Prediction

_LOG = logging.getLogger(__name__)
_AT_ONCE = 8
"""Callbacks, and creations; more at once only make each slower (measured: 215 creations/s at 8, 90/s at 32)."""
_PATIENCE_S = 8.0
"""How long a callback waits for its turn: soon after that its sender has hung up, and will send it again anyway."""
_MOST_OUTPUTS = 500
_EVENT_TAKES_S = 2.0


@dataclass(frozen=True)
class Item:
    """What became of one output."""

    output: Output
    created: Created


@dataclass(frozen=True)
class Outcomes:
    """What became of a callback: `imported`, or `ignored` with the reason."""

    status: Literal["imported", "ignored"]
    reason: str = ""
    items: tuple[Item, ...] = ()


class Callbacks:
    """Takes verified predictions in, by webhook, by sweep or by hand: each makes the same imports."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        imports: Imports,
        owners: Owners,
        default_user_id: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._cluster = cluster
        self._imports = imports
        self._owners = owners
        self._default = Owner(default_user_id)
        self._clock = clock
        self._turns = Turns(_AT_ONCE, patience_s=_PATIENCE_S)
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def take(self, prediction: Prediction, *, swept: bool = False) -> Outcomes:
        """Create what is missing; UnavailableError when not all is persisted: what exists stays.

        `swept` marks what is made because no callback did it.
        """
        if prediction.outcome is Outcome.RUNNING:
            return Outcomes("ignored", reason=f"its state is {prediction.state}")
        if prediction.outcome is Outcome.FAILED:
            return await self._ignore(prediction, "PredictionNotSucceeded", f"its state is {prediction.state}")
        outputs = media_outputs(prediction.output)
        if not outputs:
            return await self._ignore(prediction, "NoMediaOutput", "its output has no media URL")
        if len(outputs) > _MOST_OUTPUTS:
            await self._note(prediction, "OutputsLeftOut", f"of {len(outputs)} outputs {_MOST_OUTPUTS} are taken")
        async with self._turns.turn():
            items = await self._import_all(prediction, outputs[:_MOST_OUTPUTS], swept=swept)
        return Outcomes("imported", items=items)

    async def _import_all(self, prediction: Prediction, outputs: list[Output], *, swept: bool) -> tuple[Item, ...]:
        owner = await self._owners.recorded(provider=prediction.provider, prediction=prediction.id) or self._default
        expires_at = self._expires_at(prediction)
        manifest = partial(generated_manifest, prediction, owner=owner, expires_at=expires_at, swept=swept)
        return await self._create_all(prediction, outputs, manifest)

    def _expires_at(self, prediction: Prediction) -> datetime | None:
        lives = prediction.files_live
        return None if lives is None else (prediction.completed_at or self._clock()) + lives

    async def _create_all(
        self, prediction: Prediction, outputs: list[Output], manifest: Callable[[Output], Resource]
    ) -> tuple[Item, ...]:
        """Try every output, so that one that fails now holds up no other; then tell of the failure."""
        tries = (self._create(prediction, each, manifest) for each in outputs)
        results = await asyncio.gather(*tries, return_exceptions=True)
        for each in results:
            if isinstance(each, BaseException):
                raise each
        return tuple(each for each in results if isinstance(each, Item))

    async def _create(self, prediction: Prediction, output: Output, manifest: Callable[[Output], Resource]) -> Item:
        try:
            wanted = manifest(output)
        except ValidationError as error:
            created = Created(Creation.REFUSED, message=first_error(error))
        else:
            async with self._slots:
                created = await self._imports.create(wanted)
        if created.creation in {Creation.REFUSED, Creation.TAKEN}:
            await self._note(prediction, "OutputRefused", f"output {output.pointer or '/'}: {created.message}")
        return Item(output, created)

    async def _ignore(self, prediction: Prediction, reason: str, detail: str) -> Outcomes:
        await self._note(prediction, reason, detail)
        return Outcomes("ignored", reason=detail)

    async def _note(self, prediction: Prediction, reason: str, detail: str) -> None:
        """Write to the log and post an Event; neither holds up the answer's truth."""
        about = {"provider": prediction.provider, "prediction": prediction.id, "reason": reason, "detail": detail}
        _LOG.warning("a callback led to no import", extra=about)
        try:
            async with asyncio.timeout(_EVENT_TAKES_S):
                await self._cluster.post_event(
                    reason=reason, message=f"{prediction.provider} {prediction.id}: {detail}"
                )
        except (KubernetesError, TimeoutError):
            _LOG.warning("the event could not be posted", extra={"reason": reason})
