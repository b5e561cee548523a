"""Webhooks of users: list, make, delete, rotate the signing key, test, replay, list deliveries."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from mediaimport_runtime.kubernetes import objects
from starlette.responses import Response

from mediaimport_webhook.http import bodies, problems
from mediaimport_webhook.http.schemas.webhooks import KeyedWebhook, Webhook, WebhookRequest

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_api.event_records import UserEndpoint
    from starlette.requests import Request

    from mediaimport_webhook.access.authenticator import Authenticator
    from mediaimport_webhook.deliveries import DeliveryLog
    from mediaimport_webhook.endpoints import Endpoints, KeyedEndpoint

_NO_STORE = {"Cache-Control": "no-store"}


@dataclass(frozen=True)
class WebhookRoutes:
    """The routes under `webhooks`."""

    authenticator: Authenticator
    endpoints: Endpoints
    log: DeliveryLog

    async def list_all(self, request: Request) -> Response:
        """Return the endpoints of the caller, or of the user that an admin names."""
        found = await self.endpoints.of(await self._user(request))
        return bodies.JsonResponse({"webhooks": [_shown(each) for each in found]})

    async def create(self, request: Request) -> Response:
        """Make an endpoint: 201, with the signing key, which is not shown again."""
        caller = await self.authenticator.caller(request)
        body = await bodies.read_model(request, WebhookRequest)
        made = await self.endpoints.create(body, user_id=caller.user_id)
        return bodies.JsonResponse(_keyed(made), HTTPStatus.CREATED, _NO_STORE)

    async def show(self, request: Request) -> Response:
        """Return one endpoint."""
        found = await self.endpoints.get(request.path_params["id"], user_id=await self._user(request))
        return bodies.JsonResponse(_shown(found))

    async def delete(self, request: Request) -> Response:
        """Delete an endpoint: 204."""
        await self.endpoints.delete(request.path_params["id"], user_id=await self._user(request))
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def rotate_key(self, request: Request) -> Response:
        """Return a new signing key; messages have two signatures from then on, of the new key and the former one."""
        caller = await self.authenticator.caller(request)
        rotated = await self.endpoints.rotate_key(request.path_params["id"], user_id=caller.user_id)
        return bodies.JsonResponse(_keyed(rotated), headers=_NO_STORE)

    async def test(self, request: Request) -> Response:
        """Ask for a message to an endpoint: 202; the list of deliveries says how it ended."""
        caller = await self.authenticator.caller(request)
        test = await self.endpoints.test(request.path_params["id"], user_id=caller.user_id)
        return bodies.JsonResponse({"at": test.to_wire()["at"]}, HTTPStatus.ACCEPTED)

    async def replay(self, request: Request) -> Response:
        """Ask that an endpoint is told again of what happened since a time: 202."""
        caller = await self.authenticator.caller(request)
        since = _since(request.query_params.get("since"))
        replay = await self.endpoints.replay(request.path_params["id"], since=since, user_id=caller.user_id)
        return bodies.JsonResponse(replay.to_wire(), HTTPStatus.ACCEPTED)

    async def deliveries(self, request: Request) -> Response:
        """Return the newest deliveries to an endpoint."""
        user_id = await self._user(request)
        endpoint = await self.endpoints.get(request.path_params["id"], user_id=user_id)
        found = await self.log.newest(endpoint, user_id=user_id, own=await self.endpoints.record(user_id))
        return bodies.JsonResponse({"deliveries": found})

    async def _user(self, request: Request) -> str:
        """Return whose endpoints a request is about: the caller's, unless an admin names another user."""
        caller = await self.authenticator.caller(request)
        named = request.query_params.get("user", caller.user_id)
        if named != caller.user_id and not caller.admin:
            detail = "Only an admin may name another user."
            errors = [problems.FieldError("?user", detail)]
            raise problems.Problem(HTTPStatus.FORBIDDEN, "admins-only", detail, errors)
        return named


def _since(text: str | None) -> datetime | None:
    moment = objects.moment(text)
    if text is not None and moment is None:
        detail = "must be a time with its zone, for example 2026-01-01T12:00:00Z"
        raise problems.invalid([problems.FieldError("?since", detail)])
    return moment


def _shown(endpoint: UserEndpoint) -> Webhook:
    wire: dict[str, Any] = endpoint.to_wire()
    return cast(
        "Webhook", {"id": wire["id"], "url": wire["url"], "types": wire["types"], "created_at": wire["createdAt"]}
    )


def _keyed(made: KeyedEndpoint) -> KeyedWebhook:
    return {**_shown(made.endpoint), "signing_key": made.key}
