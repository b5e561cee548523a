"""The door for generations: starting one, and how it stands."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from mediaimport_runtime.kubernetes.errors import KubernetesError
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.background import BackgroundTask

from mediaimport_webhook.catalogue.query import Query
from mediaimport_webhook.generation.owner import Owner
from mediaimport_webhook.generation.providers import Outcome
from mediaimport_webhook.http import bodies
from mediaimport_webhook.http.problems import (
    Problem,
    field_errors,
    invalid,
    not_found,
    setting_missing,
    unavailable,
)
from mediaimport_webhook.http.responses import JsonAnswer
from mediaimport_webhook.imports.create import Tags, generated_tags
from mediaimport_webhook.routes.callbacks import webhook_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from mediaimport_webhook.access.caller import Caller
    from mediaimport_webhook.access.gate import Gate
    from mediaimport_webhook.catalogue.entry import Entry
    from mediaimport_webhook.catalogue.index import Catalogue
    from mediaimport_webhook.catalogue.presenter import Presenter
    from mediaimport_webhook.generation.aliases import ModelAlias
    from mediaimport_webhook.generation.owner import Owners
    from mediaimport_webhook.generation.providers import Generator, Prediction

_LOG = logging.getLogger(__name__)
_MOST_ASSETS = 200


class _Tagged(BaseModel):
    """The part of a generation's body that is the shim's, not the model's."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    tags: Tags = []


@dataclass(frozen=True)
class GenerationRoutes:
    """The routes `{generator}/{alias}` and `{generator}/predictions/{id}`."""

    generator: Generator
    gate: Gate
    public_base_url: str | None
    owners: Owners
    catalogue: Catalogue
    presenter: Presenter

    async def generate(self, request: Request) -> Response:
        """Start a prediction for the caller; its owner is written down before the answer."""
        caller = await self.gate.caller(request)
        models, webhook = self._models_and_webhook()
        alias = models.get(request.path_params["alias"])
        if alias is None:
            raise not_found("model alias")
        tags, given = _split(await bodies.read_object(request), alias)
        model_input = alias.model_input(given)
        prediction = await self.generator.create(alias, model_input, webhook=webhook)
        await self._record(prediction, Owner(caller.user_id, tuple(tags)))
        content = {"job_id": prediction.id, "status": _job_status(prediction, [])}
        location = {"Location": f"/api/v1/{self.generator.name}/predictions/{prediction.id}"}
        return JsonAnswer(content, HTTPStatus.ACCEPTED, location, background=BackgroundTask(self.owners.clean))

    async def show(self, request: Request) -> Response:
        """Answer how a prediction of the caller stands, and what came of it."""
        caller = await self.gate.caller(request)
        prediction_id = request.path_params["id"]
        entries = self._entries(prediction_id, caller)
        if not entries and not await self._may_see(prediction_id, caller):
            raise not_found("prediction")
        prediction = await self._state(prediction_id, entries)
        assets = [await self.presenter.present(each) for each in entries]
        content: dict[str, Any] = {
            "job_id": prediction_id,
            "status": _job_status(prediction, entries),
            "provider_status": prediction.state if prediction else None,
            "error": prediction.error if prediction else None,
            "tags": generated_tags(()) if not entries else list(entries[0].tags),
            "assets": assets,
        }
        return JsonAnswer(content)

    def _models_and_webhook(self) -> tuple[Mapping[str, ModelAlias], str]:
        missing = self.generator.missing_settings()
        if self.public_base_url is None or missing:
            raise setting_missing(*missing, *(["PUBLIC_BASE_URL"] if self.public_base_url is None else []))
        return self.generator.models, self.public_base_url + webhook_path(self.generator)

    async def _record(self, prediction: Prediction, owner: Owner) -> None:
        """Write the owner down; without that nobody could ever have the prediction, so it is ended."""
        try:
            await self.owners.record(provider=prediction.provider, prediction=prediction.id, owner=owner)
        except KubernetesError as error:
            _LOG.warning("no owner record, the prediction is canceled", extra={"error": str(error)})
            try:
                await self.generator.cancel(prediction.id)
            except Problem:
                _LOG.warning("the prediction could not be canceled", extra={"prediction": prediction.id})
            raise unavailable("The API server") from None

    def _entries(self, prediction_id: str, caller: Caller) -> list[Entry]:
        query = Query(job_id=prediction_id)
        newest = self.catalogue.newest(user_id=caller.sees, limit=_MOST_ASSETS, after=None, wanted=query.wants)
        return [each for each in newest.entries if each.job_id == prediction_id]

    async def _may_see(self, prediction_id: str, caller: Caller) -> bool:
        owner = await self.owners.recorded(provider=self.generator.name, prediction=prediction_id)
        return owner is not None and caller.sees in {None, owner.user_id}

    async def _state(self, prediction_id: str, entries: list[Entry]) -> Prediction | None:
        """Ask the generator, but not once the assets are there: they tell all that matters, and outlive it there."""
        if entries:
            return None
        return await self.generator.fetch_state(prediction_id)


def _split(body: dict[str, Any], alias: ModelAlias) -> tuple[list[str], dict[str, Any]]:
    """Return the tags and the model's part of the body; a model's own field named `tags` is the model's."""
    if "tags" in alias.input or "tags" not in body:
        return [], body
    try:
        tagged = _Tagged.model_validate(body)
    except ValidationError as error:
        raise invalid(field_errors(error)) from None
    return tagged.tags, {name: value for name, value in body.items() if name != "tags"}


def _job_status(prediction: Prediction | None, entries: list[Entry]) -> str:
    """Return one word for the way from prompt to stored asset."""
    if entries:
        shown = {each.status for each in entries}
        return "uploading" if "uploading" in shown else "failed" if "failed" in shown else "ready"
    if prediction is None:
        return "unknown"
    match prediction.outcome:
        case Outcome.RUNNING:
            return "generating"
        case Outcome.SUCCEEDED:
            return "uploading"
        case Outcome.FAILED:
            return "failed"
