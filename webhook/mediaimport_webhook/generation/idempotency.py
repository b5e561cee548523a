"""Idempotency-Key of a generation: requests with one key are one prediction, across replicas and restarts.

A record claims the key before the generator is asked. What became of a request whose answer was lost, the prediction's
callback writes into the record, and the generator's list shows, both by the key's nonce in the callback URL.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

from mediaimport_runtime.kubernetes.errors import KubernetesError

from mediaimport_webhook.http import problems

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mediaimport_webhook.generation.owner import OwnerToken, OwnerTokens
    from mediaimport_webhook.generation.providers import Prediction, PredictionLister
    from mediaimport_webhook.generation.records import Record, Records

log = logging.getLogger(__name__)
LIFETIME = timedelta(days=1)
"""Period in which a key is remembered."""
_MAX_START = timedelta(minutes=1)
"""After that a request that has not noted its prediction is over, and the generator's list shows what it started."""
_MAX_PAGES = 20
_REFUSALS = frozenset({"input-refused", "provider-busy", "provider-refused", "quota-exceeded", "setting-missing"})
"""Problems after which there is no prediction; after any other there may be one."""


@dataclass(frozen=True)
class Started:
    """Prediction as it was when it was started. `state` is the generator's own word."""

    id: str
    state: str


@dataclass(frozen=True)
class StartRequest:
    """Request for a prediction. The nonce stands for user and key, the fingerprint for alias and body."""

    nonce: str
    fingerprint: str
    start: Callable[[], Awaitable[Prediction]]

    @property
    def record_name(self) -> str:
        """Return the name of the record that claims the key."""
        return _record_name(self.nonce)


class Claims:
    """Records of keys, as a callback finds them."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def note(self, token: OwnerToken, prediction: Prediction) -> None:
        """Write the prediction into the record of its request's key, unless the record has one."""
        if not token.is_keyed:
            return
        try:
            record = await self._records.get(_record_name(token.nonce))
            if record is not None and "prediction" not in record.data:
                await self._records.replace(record, _with_prediction(record, prediction))
        except KubernetesError as error:
            log.warning("a called back prediction could not be recorded", extra={"error": str(error)})


def _record_name(nonce: str) -> str:
    return f"mediaimport-generation-{nonce}"


def _with_prediction(record: Record, prediction: Prediction) -> dict[str, str]:
    return {**record.data, "prediction": prediction.id, "state": prediction.state}


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class IdempotencyKeys:
    """Starts each keyed request once."""

    records: Records
    generator: PredictionLister
    tokens: OwnerTokens
    clock: Callable[[], datetime] = _now
    max_wait_s: float = 8.0
    poll_s: float = 0.5

    async def start(self, request: StartRequest) -> Started:
        """Start the prediction, or return the one that the key has started.

        Problems: 409 for a key of another request, and while another request with the key is being started; the
        generator's own. UnavailableError.
        """
        deadline_s = time.monotonic() + self.max_wait_s
        while True:
            started = await self._try(request)
            if started is not None:
                return started
            if time.monotonic() >= deadline_s:
                raise _in_use(_MAX_START)
            await asyncio.sleep(self.poll_s)

    async def _try(self, request: StartRequest) -> Started | None:
        """Claim the key and start; return the claimer's prediction; None while the claimer is at it."""
        claim = {"request": request.fingerprint, "at": self.clock().isoformat()}
        record = await self.records.create(request.record_name, claim, kind="idempotency-key", lifetime=LIFETIME)
        if record is not None:
            return await self._start(record, request)
        record = await self.records.get(request.record_name)
        if record is None:
            return None
        if record.data["request"] != request.fingerprint:
            raise _reused()
        if "prediction" in record.data:
            return Started(record.data["prediction"], record.data["state"])
        age = self.clock() - datetime.fromisoformat(record.data["at"])
        if "answer" not in record.data and age < _MAX_START:
            return None
        return await self._resume(record, request, age)

    async def _resume(self, record: Record, request: StartRequest, age: timedelta) -> Started | None:
        """Find the prediction of a request whose answer was lost; without one start it, as soon as that is safe."""
        found = await self._find(request.nonce, since=datetime.fromisoformat(record.data["at"]))
        if found is not None:
            return await self._note(record, found)
        if age < _MAX_START:
            raise _in_use(_MAX_START - age)
        claim = {"request": request.fingerprint, "at": self.clock().isoformat()}
        renewed = await self.records.replace(record, claim)
        return None if renewed is None else await self._start(renewed, request)

    async def _start(self, record: Record, request: StartRequest) -> Started:
        try:
            prediction = await request.start()
        except problems.Problem as problem:
            await self._note_problem(record, problem)
            raise
        return await self._note(record, prediction)

    async def _note(self, record: Record, prediction: Prediction) -> Started:
        """Write the prediction into the record. Without it, the generator's list will tell."""
        try:
            await self.records.replace(record, _with_prediction(record, prediction))
        except KubernetesError as error:
            log.warning("a started prediction could not be recorded", extra={"error": str(error)})
        return Started(prediction.id, prediction.state)

    async def _note_problem(self, record: Record, problem: problems.Problem) -> None:
        """Give the key back after a refusal; else note that the answer was lost."""
        try:
            if problem.slug in _REFUSALS:
                await self.records.delete(record.name)
            else:
                await self.records.replace(record, {**record.data, "answer": "lost"})
        except KubernetesError as error:
            log.warning("the end of a request could not be recorded", extra={"error": str(error)})

    async def _find(self, nonce: str, *, since: datetime) -> Prediction | None:
        """Return the prediction with that nonce in its callback URL, None if the list shows that there is none.

        A 503 Problem if the list is so long that its newest pages do not reach back to `since`: there may be one.
        """
        cursor = ""
        for _ in range(_MAX_PAGES):
            page = await self.generator.list_predictions(cursor)
            for each in page.predictions:
                token = self.tokens.of_prediction(each.callback_url)
                if token is not None and token.nonce == nonce:
                    return each
            # The generator's clock may differ from ours by a minute.
            is_past = any(each.created_at and each.created_at < since - _MAX_START for each in page.predictions)
            if is_past or page.next is None:
                return None
            cursor = page.next
        raise _undecided()


def _reused() -> problems.Problem:
    detail = "This Idempotency-Key was used for another request; use a new one."
    return problems.Problem(HTTPStatus.CONFLICT, "idempotency-key-reused", detail)


def _undecided() -> problems.Problem:
    detail = (
        "The answer to an earlier request with this Idempotency-Key was lost, and the generator has had too many"
        " predictions since to tell whether it started one; look at the generator's own list."
    )
    return problems.Problem(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", detail, headers={"Retry-After": "60"})


def _in_use(wait: timedelta) -> problems.Problem:
    detail = "Another request with this Idempotency-Key is being started, or its answer was lost; try again."
    headers = {"Retry-After": str(max(1, round(wait.total_seconds())))}
    return problems.Problem(HTTPStatus.CONFLICT, "idempotency-key-in-use", detail, headers=headers)
