"""Generators: starting predictions, showing their state, receiving their callbacks."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from starlette.background import BackgroundTask

from mediaimport_webhook.access.rate_limit import mark_authenticated
from mediaimport_webhook.catalogue import Catalogue, Entry, Presenter, Query
from mediaimport_webhook.generation.idempotency import IdempotencyKeys, Started, StartRequest
from mediaimport_webhook.generation.outputs import generated_tags
from mediaimport_webhook.generation.owner import PARAMETER, SETTING, Owner, OwnerToken, OwnerTokens, nonce_of_key
from mediaimport_webhook.generation.providers import Generator, Prediction, PredictionOutcome, Provider
from mediaimport_webhook.http import bodies, problems, schemas
from mediaimport_webhook.http.idempotency_key import idempotency_key
from mediaimport_webhook.http.limits import mark_unchecked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from mediaimport_webhook.access import Caller
    from mediaimport_webhook.access.authenticator import Authenticator
    from mediaimport_webhook.generation.aliases import ModelAlias
    from mediaimport_webhook.generation.failures import Failures
    from mediaimport_webhook.generation.intake import Intake, IntakeResult, OutputResult
    from mediaimport_webhook.generation.records import Records
    from mediaimport_webhook.generation.states import PredictionStates
    from mediaimport_webhook.metrics import Metrics

_MAX_ASSETS = 500
"""Of a job; intake imports no more."""
_OUTPUTS_WITHIN = timedelta(hours=1)
"""Period after the first import in which the others can still come: recovery looks back as far."""
_NO_ASSETS = "The prediction succeeded, but no asset of it is there: its output has no media that can be imported."
_JOB_STATUS: dict[PredictionOutcome, schemas.JobStatus] = {
    PredictionOutcome.RUNNING: "generating",
    PredictionOutcome.SUCCEEDED: "uploading",
    PredictionOutcome.FAILED: "failed",
}


def callback_path(provider: Provider) -> str:
    """Return the path of a provider's callbacks."""
    return f"/api/v1/{provider.name}/webhook"


@dataclass(frozen=True)
class CallbackRoute:
    """The route `{provider}/webhook`."""

    provider: Provider
    intake: Intake
    metrics: Metrics

    async def receive(self, request: Request) -> Response:
        """Import the outputs of a callback: 2xx once all imports are persisted."""
        body = await self._body(request)
        try:
            prediction = await self._verified(request, body)
            result = await self.intake.receive(prediction, token_text=request.query_params.get(PARAMETER))
        except problems.Problem as problem:
            refused = problem.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
            self.metrics.callback(self.provider.name, "refused" if refused else "failed")
            raise
        except Exception:
            self.metrics.callback(self.provider.name, "failed")
            raise
        self._count(result)
        content: dict[str, Any] = {"status": result.status, "assets": [_output_json(each) for each in result.outputs]}
        return bodies.JsonResponse(content | ({"reason": result.reason} if result.reason else {}))

    async def _body(self, request: Request) -> bytes:
        """Read the body, unless the headers alone already say that it is not signed."""
        try:
            self.provider.check_headers(request.headers)
        except problems.Problem as problem:
            refused = problem.status == HTTPStatus.UNAUTHORIZED
            self.metrics.callback(self.provider.name, "refused" if refused else "failed")
            raise
        return await bodies.read_body(request, limit_bytes=bodies.MAX_CALLBACK_BYTES)

    async def _verified(self, request: Request, body: bytes) -> Prediction:
        try:
            await self.provider.verify(request.headers, body)
        except problems.Problem as problem:
            if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                mark_unchecked(request.scope)
            raise
        mark_authenticated(request.scope)
        return await self.provider.complete(await self.provider.parse(body), request.query_params)

    def _count(self, result: IntakeResult) -> None:
        self.metrics.callback(self.provider.name, result.status)
        for each in result.outputs:
            self.metrics.requested_import(self.provider.name, str(each.created.outcome))


def _output_json(result: OutputResult) -> dict[str, Any]:
    entry = result.created.entry
    return {
        "pointer": result.output.pointer,
        "asset_id": entry.asset_id if entry else None,
        "outcome": str(result.created.outcome),
    }


@dataclass(frozen=True)
class GenerationRoutes:
    """The routes `{generator}/{alias}` and `{generator}/predictions/{id}`."""

    generator: Generator
    authenticator: Authenticator
    public_base_url: str | None
    tokens: OwnerTokens
    states: PredictionStates
    records: Records
    failures: Failures
    keys: IdempotencyKeys
    catalogue: Catalogue
    presenter: Presenter
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

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
        nonce = {} if key is None else {"nonce": nonce_of_key(caller.user_id, key)}
        token = OwnerToken(Owner(caller.user_id, tuple(tags)), **nonce)
        callback_url = self.tokens.callback_url(callback_url, token)
        start = partial(self.generator.create, alias, model_input, callback_url=callback_url)
        if key is None:
            prediction = await start()
            started = Started(prediction.id, prediction.state)
        else:
            fingerprint = _fingerprint(request.path_params["alias"], body)
            started = await self.keys.start(StartRequest(token.nonce, fingerprint, start))
        content = {"job_id": started.id, "status": started.state}
        location = {"Location": f"/api/v1/{self.generator.name}/predictions/{started.id}"}
        clean_up = BackgroundTask(self.records.delete_expired)
        return bodies.JsonResponse(content, HTTPStatus.ACCEPTED, location, background=clean_up)

    async def show(self, request: Request) -> Response:
        """Return the state and the assets of a prediction of the caller."""
        caller = await self.authenticator.caller(request)
        prediction_id = request.path_params["id"]
        entries = self._entries(prediction_id, caller)
        # The assets say all that matters, and outlive the prediction at the generator.
        if entries:
            content = self._job_of(entries, await self._expected(entries))
        else:
            prediction, owner = await self._prediction(prediction_id, caller)
            content = await self._job_without_assets(prediction, owner)
        assets = [await self.presenter.present(each) for each in entries]
        return bodies.JsonResponse({"job_id": prediction_id, **content, "assets": assets})

    async def _expected(self, entries: list[Entry]) -> int:
        """Return the number of accepted outputs: fewer than announced if the callback's end says so."""
        announced, job_id = max(each.outputs_expected for each in entries), entries[0].job_id or ""
        if len(entries) + self.catalogue.removed_outputs(job_id) >= announced:
            return announced
        accepted = await self.failures.accepted(provider=self.generator.name, prediction=job_id)
        return announced if accepted is None else min(announced, max(accepted, len(entries)))

    async def _job_without_assets(self, prediction: Prediction, owner: Owner) -> dict[str, Any]:
        """Return a job as the callback's end tells it; without one, as the generator and the clock do."""
        content = _job_without_assets(prediction, owner)
        if prediction.outcome is not PredictionOutcome.SUCCEEDED:
            return content
        if self.catalogue.removed_outputs(prediction.id):
            return content | {"status": "ready"}
        accepted = await self.failures.accepted(provider=self.generator.name, prediction=prediction.id)
        ended = prediction.completed_at
        if accepted == 0 or (ended is not None and self.clock() - ended >= _OUTPUTS_WITHIN):
            return content | {"status": "failed", "error": _NO_ASSETS}
        return content

    def _job_of(self, entries: list[Entry], expected: int) -> dict[str, Any]:
        removed = self.catalogue.removed_outputs(entries[0].job_id or "")
        first = datetime.fromisoformat(min(each.created_at for each in entries))
        is_incomplete = len(entries) + removed < expected and self.clock() - first < _OUTPUTS_WITHIN
        statuses = {"uploading"} if is_incomplete else {each.status for each in entries}
        return {
            "status": next(each for each in ("uploading", "failed", "ready") if each in statuses),
            "provider_status": entries[0].provider_status,
            "outputs_expected": expected or None,
            "error": None,
            "tags": list(entries[0].tags),
        }

    async def _prediction(self, prediction_id: str, caller: Caller) -> tuple[Prediction, Owner]:
        """Return a prediction that has no assets, with its owner; a 404 Problem if the caller may not see it."""
        try:
            prediction = await self.states.get(prediction_id)
        except problems.Problem:
            recorded = await self.failures.get(provider=self.generator.name, prediction=prediction_id)
            if recorded is None or caller.sees not in {None, recorded[1].user_id}:
                raise
            return recorded
        token = None if prediction is None else self.tokens.of_prediction(prediction.callback_url)
        if prediction is not None and token is not None:
            found: tuple[Prediction, Owner] | None = prediction, token.owner
        else:
            found = await self.failures.get(provider=self.generator.name, prediction=prediction_id)
        if found is None or caller.sees not in {None, found[1].user_id}:
            raise problems.not_found("prediction")
        return found

    def _models_and_callback_url(self) -> tuple[Mapping[str, ModelAlias], str]:
        missing = [*self.generator.missing_settings(), *([] if self.tokens.can_sign else [SETTING])]
        if self.public_base_url is None or missing:
            raise problems.setting_missing(*missing, *(["PUBLIC_BASE_URL"] if self.public_base_url is None else []))
        return self.generator.models, self.public_base_url + callback_path(self.generator)

    def _entries(self, prediction_id: str, caller: Caller) -> list[Entry]:
        query = Query(job_id=prediction_id)
        page = self.catalogue.newest(user_id=caller.sees, limit=_MAX_ASSETS, after=None, matches=query.matches)
        return [each for each in page.entries if each.job_id == prediction_id]


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


def _job_without_assets(prediction: Prediction, owner: Owner) -> dict[str, Any]:
    return {
        "status": _JOB_STATUS[prediction.outcome],
        "provider_status": prediction.state,
        "outputs_expected": None,
        "error": prediction.error,
        "tags": generated_tags(owner.tags),
    }
