"""Generators: starting predictions, showing their state, receiving their callbacks."""

from __future__ import annotations

import hashlib
import json
import logging
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from mediaimport_webhook.access.rate_limit import mark_authenticated
from mediaimport_webhook.generation.idempotency import IdempotencyKeys, Started, StartRequest
from mediaimport_webhook.generation.owner import PARAMETER, SETTING, Owner, OwnerToken, OwnerTokens, nonce_of_key
from mediaimport_webhook.generation.skeleton import Skeleton
from mediaimport_webhook.http import bodies, problems, schemas
from mediaimport_webhook.http.limits import mark_unchecked
from mediaimport_webhook.imports.create import CreationOutcome
from mediaimport_webhook.routes.idempotency_key import idempotency_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from mediaimport_webhook.access.authenticator import Authenticator
    from mediaimport_webhook.catalogue import Presenter
    from mediaimport_webhook.generation.aliases import ModelAlias
    from mediaimport_webhook.generation.intake import Intake, IntakeResult, OutputResult
    from mediaimport_webhook.generation.jobs import Jobs
    from mediaimport_webhook.generation.large import LargeCallbacks
    from mediaimport_webhook.generation.providers import Generator, Prediction, Provider
    from mediaimport_webhook.http.bodies import LongBody
    from mediaimport_webhook.imports.create import CreationResult
    from mediaimport_webhook.imports.quota import Quota
    from mediaimport_webhook.metrics import Metrics

log = logging.getLogger(__name__)
_OUTCOMES = {
    HTTPStatus.UNAUTHORIZED: "refused",
    HTTPStatus.FORBIDDEN: "refused",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too-large",
}
"""Of refused callbacks, in metrics; any other has failed."""


def callback_path(provider: Provider) -> str:
    """Return the path of a provider's callbacks."""
    return f"/api/v1/{provider.name}/webhook"


@dataclass(frozen=True)
class CallbackRoute:
    """The route `{provider}/webhook`."""

    provider: Provider
    intake: Intake
    large: LargeCallbacks
    quota: Quota
    metrics: Metrics

    async def receive(self, request: Request) -> Response:
        """Import the outputs of a callback: 2xx once all imports are persisted."""
        body = await self._body(request)
        try:
            result = await self._received(request, body)
        except problems.Problem as problem:
            self.metrics.callback(self.provider.name, _OUTCOMES.get(problem.status, "failed"))
            raise
        except Exception:
            self.metrics.callback(self.provider.name, "failed")
            raise
        await self._count(result)
        content: dict[str, Any] = {"status": result.status, "assets": [_output_json(each) for each in result.outputs]}
        return bodies.JsonResponse(content | ({"reason": result.reason} if result.reason else {}))

    async def _received(self, request: Request, body: bytes | LongBody) -> IntakeResult:
        token_text, parameters = request.query_params.get(PARAMETER), request.query_params
        skeleton = await self._verify(request, body)
        mark_authenticated(request.scope)
        if isinstance(body, bytes):
            prediction = await self.provider.complete(await self.provider.parse(body), parameters)
            return await self.intake.receive(prediction, token_text=token_text)
        short = await self.large.parse(self.provider, skeleton)
        async with self.large.whole(self.provider, short, parameters) as prediction:
            return await self.intake.receive(prediction, token_text=token_text)

    async def _body(self, request: Request) -> bytes | LongBody:
        """Read the body, unless the headers alone already say that it is not signed, or it is too large to be held."""
        try:
            self.provider.check_headers(request.headers)
        except problems.Problem as problem:
            self.metrics.callback(self.provider.name, _OUTCOMES.get(problem.status, "failed"))
            raise
        return await bodies.read_or_pass(request, limit_bytes=bodies.MAX_CALLBACK_BYTES)

    async def _verify(self, request: Request, body: bytes | LongBody) -> Skeleton:
        """Return, of a body that is not held, what passed of it; a Problem if it is not signed."""
        skeleton = Skeleton(self.provider.callback_members)
        with _credentials(request):
            if isinstance(body, bytes):
                await self.provider.verify(request.headers, body)
                return skeleton
            check = await self.provider.body_check(request.headers)
        await self.large.pass_on(body, check, skeleton, provider=self.provider)
        with _credentials(request):
            await check.verify()
        return skeleton

    async def _count(self, result: IntakeResult) -> None:
        self.metrics.callback(self.provider.name, result.status)
        for each in result.outputs:
            self.metrics.requested_import(self.provider.name, str(each.created.outcome))
        await self._report_over_quota([each.created for each in result.outputs])

    async def _report_over_quota(self, results: list[CreationResult]) -> None:
        """Tell of new imports of users without room for them: what is paid for is kept."""
        new = [each.entry for each in results if each.outcome is CreationOutcome.CREATED and each.entry is not None]
        for user_id in {each.user_id for each in new}:
            if (await self.quota.allowance(user_id)).is_used_up:
                own = [each.resource_name for each in new if each.user_id == user_id]
                log.warning("imports were kept beyond the user's quota", extra={"user": user_id, "resources": own})
                for _ in own:
                    self.metrics.import_over_quota(self.provider.name)


@contextmanager
def _credentials(request: Request) -> Iterator[None]:
    """Note of a request that its signature could not be checked, if that fails for another's reason."""
    try:
        yield
    except problems.Problem as problem:
        if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            mark_unchecked(request.scope)
        raise


def _output_json(result: OutputResult) -> dict[str, Any]:
    entry = result.created.entry
    return {
        "pointer": result.output.pointer,
        "asset_id": entry.asset_id if entry else None,
        "outcome": str(result.created.outcome),
    }


@dataclass(frozen=True)
class GenerationRoutes:
    """The routes `{generator}/{alias}`, `{generator}/predictions/{id}` and `models`."""

    generator: Generator
    authenticator: Authenticator
    public_base_url: str | None
    tokens: OwnerTokens
    keys: IdempotencyKeys
    jobs: Jobs
    quota: Quota
    presenter: Presenter

    async def generate(self, request: Request) -> Response:
        """Start a prediction for the caller; its callback brings the owner back."""
        caller = await self.authenticator.caller(request)
        key = idempotency_key(request)
        models, callback_url = self._models_and_callback_url()
        alias = models.get(request.path_params["alias"])
        if alias is None:
            raise problems.not_found("model alias")
        body = await bodies.read_json_object(request)
        tags, fields = _split(body, alias)
        model_input = alias.model_input(fields)
        token = OwnerToken(Owner(caller.user_id, tuple(tags)))
        if key is not None:
            token = replace(token, nonce=nonce_of_key(caller.user_id, key), is_keyed=True)
        callback_url = self.tokens.callback_url(callback_url, token)
        create = partial(self.generator.create, alias, model_input, callback_url=callback_url)

        async def start() -> Prediction:
            (await self.quota.allowance(caller.user_id)).take(None)
            return await create()

        if key is None:
            prediction = await start()
            started = Started(prediction.id, prediction.state)
        else:
            fingerprint = _fingerprint(request.path_params["alias"], body)
            started = await self.keys.start(StartRequest(token.nonce, fingerprint, start))
        content = {"job_id": started.id, "status": started.state}
        location = {"Location": f"/api/v1/{self.generator.name}/predictions/{started.id}"}
        return bodies.JsonResponse(content, HTTPStatus.ACCEPTED, location)

    async def show(self, request: Request) -> Response:
        """Return the state and the assets of a prediction of the caller."""
        caller = await self.authenticator.caller(request)
        job = await self.jobs.get(request.path_params["id"], user_id=caller.sees)
        assets = [await self.presenter.present(each) for each in job.entries]
        content = {
            "job_id": request.path_params["id"],
            "status": job.status,
            "provider_status": job.provider_status,
            "outputs_expected": job.outputs_expected,
            "error": job.error,
            "tags": job.tags,
            "assets": assets,
        }
        return bodies.JsonResponse(content)

    async def models(self, request: Request) -> Response:
        """Return the models that the caller can start, by alias; none while a setting for them is missing."""
        await self.authenticator.caller(request)
        can_start = not self._missing_settings()
        models = [
            {
                "alias": alias,
                "provider": self.generator.name,
                "model": each.model,
                "path": f"/api/v1/{self.generator.name}/{alias}",
                "input": each.input_schema(),
            }
            for alias, each in sorted(self.generator.models.items() if can_start else ())
        ]
        return bodies.JsonResponse({"models": models})

    def _models_and_callback_url(self) -> tuple[Mapping[str, ModelAlias], str]:
        missing = self._missing_settings()
        if self.public_base_url is None or missing:
            raise problems.setting_missing(*missing)
        return self.generator.models, self.public_base_url + callback_path(self.generator)

    def _missing_settings(self) -> list[str]:
        own = {SETTING: self.tokens.can_sign, "PUBLIC_BASE_URL": self.public_base_url is not None}
        return [*self.generator.missing_settings(), *(name for name, is_set in own.items() if not is_set)]


def _fingerprint(alias: str, body: dict[str, Any]) -> str:
    """Return a hash of what the caller sent, whatever the models file makes of it."""
    return hashlib.sha256(json.dumps([alias, body], sort_keys=True).encode()).hexdigest()


def _split(body: dict[str, Any], alias: ModelAlias) -> tuple[list[str], dict[str, Any]]:
    """Return the tags and the model's fields of the body; `tags` is the model's if the model has such a field."""
    if "tags" in alias.input or "tags" not in body:
        return [], body
    try:
        tags = schemas.GenerationTags.model_validate(body).tags
    except ValidationError as error:
        raise problems.invalid(problems.field_errors(error)) from None
    return tags, {name: value for name, value in body.items() if name != "tags"}
