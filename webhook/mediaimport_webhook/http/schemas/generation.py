"""Models, predictions and answers to their callbacks."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from mediaimport_api.model import Count
from pydantic import Field, with_config
from typing_extensions import TypedDict

from mediaimport_webhook.http.schemas.assets import Asset
from mediaimport_webhook.http.schemas.fields import CLOSED, AssetId, JobStatus


@with_config(CLOSED)
class StartedPrediction(TypedDict):
    """Prediction that was started."""

    job_id: Annotated[str, Field(examples=["gm3qorzdhgbfurvjtvhg6dckhu"])]
    status: Annotated[str, Field(description="the generator's own word", examples=["starting"])]


@with_config(CLOSED)
class Model(TypedDict):
    """Model that a caller can start."""

    alias: Annotated[str, Field(examples=["wan-video-t2v"])]
    provider: Annotated[str, Field(examples=["replicate"])]
    model: Annotated[str, Field(description="the generator's name of it", examples=["wan-video/wan-2.5-t2v"])]
    path: Annotated[str, Field(description="POST the input there", examples=["/api/v1/replicate/wan-video-t2v"])]
    input: Annotated[dict[str, Any], Field(description="JSON Schema of the input, without the assets' `tags`")]


@with_config(CLOSED)
class ModelList(TypedDict):
    """Models, by alias; none where generation is not configured."""

    models: list[Model]


@with_config(CLOSED)
class Job(TypedDict):
    """Prediction and its assets."""

    job_id: str
    status: JobStatus
    provider_status: Annotated[str | None, Field(description="the generator's own word; null where it is unknown")]
    outputs_expected: Annotated[
        Count | None, Field(description="number of assets that the prediction makes; null until it has succeeded")
    ]
    error: str | None
    tags: list[str]
    assets: list[Asset]


@with_config(CLOSED)
class OutputResult(TypedDict):
    """Result for one media URL of the output."""

    pointer: Annotated[str, Field(description="JSON Pointer into the output", examples=["/0"])]
    asset_id: AssetId | None
    outcome: Literal["created", "duplicate", "taken", "refused", "deleted", "gone"]


@with_config(CLOSED)
class CallbackResult(TypedDict):
    """Result of a callback; all of it is persisted."""

    status: Literal["imported", "ignored"]
    assets: list[OutputResult]
    reason: NotRequired[str]
