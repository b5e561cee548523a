"""Endpoints of users: one record for each user, which the operator watches.

Their signing keys are in no record: they are derived from the endpoint's id by the installation's master key, which the
webhook and the operator alone have.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from mediaimport_api.event_records import (
    USER_ENDPOINT_PREFIX,
    USER_ENDPOINTS,
    EndpointTest,
    Replay,
    UserEndpoint,
    UserEndpoints,
)
from mediaimport_api.status import MAX_USER_ENDPOINTS
from mediaimport_runtime.kubernetes.errors import UnavailableError
from mediaimport_runtime.master_keys import VARIABLE

from mediaimport_webhook.http import problems

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_api.source_policy import SourcePolicy
    from mediaimport_runtime.master_keys import MasterKeys

    from mediaimport_webhook.generation.records import Record, Records
    from mediaimport_webhook.http.schemas.webhooks import WebhookRequest

    Change = Callable[[list[UserEndpoint]], list[UserEndpoint]]

_ID_CHARACTERS = 20
_TEST_INTERVAL, _REPLAY_INTERVAL = timedelta(seconds=10), timedelta(minutes=10)
"""The least time between two of one endpoint: each costs the operator requests, a replay thousands."""
_DEFAULT_REPLAY = timedelta(days=1)
_TRIES = 8
"""Of a change that another one comes before."""


@dataclass(frozen=True)
class KeyedEndpoint:
    """Endpoint with its signing key."""

    endpoint: UserEndpoint
    key: str


@dataclass(frozen=True)
class Endpoints:
    """Endpoints of all users; a 503 Problem where the installer allows none."""

    records: Records
    keys: MasterKeys | None
    policy: SourcePolicy
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def of(self, user_id: str) -> list[UserEndpoint]:
        """Return the user's endpoints; UnavailableError."""
        self._master()
        return _endpoints(await self.records.get(_name(user_id)))

    async def get(self, endpoint_id: str, *, user_id: str) -> UserEndpoint:
        """Return one of the user's endpoints; a 404 Problem, UnavailableError."""
        return _one(await self.of(user_id), endpoint_id)

    async def record(self, user_id: str) -> Record | None:
        """Return the record of the user's endpoints, None if the user has none; UnavailableError."""
        self._master()
        return await self.records.get(_name(user_id))

    async def create(self, request: WebhookRequest, *, user_id: str) -> KeyedEndpoint:
        """Make an endpoint; a Problem for a URL that is not allowed, or one too many; UnavailableError."""
        keys = self._master()
        if (refusal := self.policy.url_refusal(request.url)) is not None:
            raise problems.invalid([problems.FieldError("/url", refusal)])
        new = UserEndpoint(
            id=f"{USER_ENDPOINT_PREFIX}{uuid4().hex[:_ID_CHARACTERS]}",
            url=request.url,
            types=list(request.types),
            created_at=self.clock(),
        )

        def add(endpoints: list[UserEndpoint]) -> list[UserEndpoint]:
            if len(endpoints) >= MAX_USER_ENDPOINTS:
                raise _too_many()
            return [*endpoints, new]

        await self._change(user_id, add)
        return KeyedEndpoint(new, keys.signing_key(new.id, new.key_number))

    async def delete(self, endpoint_id: str, *, user_id: str) -> None:
        """Delete an endpoint: it is told of nothing more; a 404 Problem, UnavailableError."""
        self._master()

        def remove(endpoints: list[UserEndpoint]) -> list[UserEndpoint]:
            _one(endpoints, endpoint_id)
            return [each for each in endpoints if each.id != endpoint_id]

        await self._change(user_id, remove)

    async def rotate_key(self, endpoint_id: str, *, user_id: str) -> KeyedEndpoint:
        """Give an endpoint a new key, which signs next to the former one; a 404 Problem, UnavailableError."""
        keys = self._master()

        def rotate(one: UserEndpoint) -> UserEndpoint:
            return one.model_copy(update={"key_number": one.key_number + 1})

        rotated = await self._change_one(user_id, endpoint_id, rotate)
        return KeyedEndpoint(rotated, keys.signing_key(rotated.id, rotated.key_number))

    async def test(self, endpoint_id: str, *, user_id: str) -> EndpointTest:
        """Ask for a message to an endpoint; a 404 or 429 Problem, UnavailableError."""
        self._master()
        now = self.clock()

        def ask(one: UserEndpoint) -> UserEndpoint:
            _check_interval(one.test, _TEST_INTERVAL, now)
            return one.model_copy(update={"test": EndpointTest(number=one.test.number + 1 if one.test else 1, at=now)})

        tested = await self._change_one(user_id, endpoint_id, ask)
        assert tested.test is not None  # noqa: S101 - it was just set
        return tested.test

    async def replay(self, endpoint_id: str, *, since: datetime | None, user_id: str) -> Replay:
        """Ask that an endpoint is told again of what happened since, by default a day ago; a 404 or 429 Problem.

        UnavailableError.
        """
        self._master()
        now = self.clock()
        # Times of deliveries are whole seconds: what ended in this one is before the replay.
        asked = Replay(since=since or now - _DEFAULT_REPLAY, at=now + timedelta(seconds=1))

        def ask(one: UserEndpoint) -> UserEndpoint:
            _check_interval(one.replay, _REPLAY_INTERVAL, now)
            return one.model_copy(update={"replay": asked})

        await self._change_one(user_id, endpoint_id, ask)
        return asked

    async def _change_one(
        self, user_id: str, endpoint_id: str, change: Callable[[UserEndpoint], UserEndpoint]
    ) -> UserEndpoint:
        def changed(endpoints: list[UserEndpoint]) -> list[UserEndpoint]:
            _one(endpoints, endpoint_id)
            return [change(each) if each.id == endpoint_id else each for each in endpoints]

        return _one(await self._change(user_id, changed), endpoint_id)

    async def _change(self, user_id: str, change: Change) -> list[UserEndpoint]:
        """Change the user's record: of two changes at a time none is lost, and both count."""
        for _ in range(_TRIES):
            before = await self.records.get(_name(user_id))
            endpoints = change(_endpoints(before))
            data = _content(user_id, endpoints)
            if before is None:
                written = await self.records.create(
                    _name(user_id), data, kind=USER_ENDPOINTS, lifetime=None, user_id=user_id
                )
            else:
                written = await self.records.replace(before, data)
            if written is not None:
                return endpoints
        raise UnavailableError("too many changes of a user's endpoints at once")

    def _master(self) -> MasterKeys:
        if self.keys is None:
            raise problems.setting_missing(VARIABLE, value="events.userEndpoints.enabled")
        return self.keys


def _name(user_id: str) -> str:
    return f"mediaimport-endpoints-{hashlib.sha256(user_id.encode()).hexdigest()[:32]}"


def _content(user_id: str, endpoints: list[UserEndpoint]) -> dict[str, Any]:
    return UserEndpoints(user=user_id, endpoints=endpoints).to_wire()


def _endpoints(record: Record | None) -> list[UserEndpoint]:
    return [] if record is None else UserEndpoints.read(dict(record.data)).endpoints


def _one(endpoints: list[UserEndpoint], endpoint_id: str) -> UserEndpoint:
    found = next((each for each in endpoints if each.id == endpoint_id), None)
    if found is None:
        raise problems.not_found("webhook")
    return found


def _check_interval(last: EndpointTest | Replay | None, interval: timedelta, now: datetime) -> None:
    wait = timedelta() if last is None else last.at + interval - now
    if wait > timedelta():
        detail = f"This was asked less than {interval.total_seconds():.0f} s ago; try again later."
        headers = {"Retry-After": str(math.ceil(wait.total_seconds()))}
        raise problems.Problem(HTTPStatus.TOO_MANY_REQUESTS, "too-many-requests", detail, headers=headers)


def _too_many() -> problems.Problem:
    detail = f"A user may have {MAX_USER_ENDPOINTS} webhooks; delete one first."
    return problems.Problem(HTTPStatus.CONFLICT, "too-many-webhooks", detail)
