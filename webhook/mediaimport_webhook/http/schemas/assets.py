"""Assets, their lists and their events."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from mediaimport_api.model import Count, Sha256
from mediaimport_api.status import Phase, Step
from pydantic import Field, with_config
from typing_extensions import TypedDict

from mediaimport_webhook.http.schemas.fields import CLOSED, OPEN, AssetId, AssetKind, AssetStatus, Moment, Url


@with_config(OPEN)
class Metadata(TypedDict):
    """Measured values, merged over the caller's own metadata: measured keys win."""

    duration: Annotated[float | None, Field(description="seconds", examples=[5.28])]
    width: Annotated[int | None, Field(description="as a viewer sees it, after rotation", examples=[1280])]
    height: Annotated[int | None, Field(examples=[720])]
    codec: Annotated[str | None, Field(examples=["h264"])]
    bitrate: Annotated[int | None, Field(description="bits per second", examples=[2400000])]
    frame_rate: Annotated[float | None, Field(description="frames per second", examples=[24.0])]
    format: Annotated[
        str | None, Field(description="ffprobe's name of the container; the extension of a file that it cannot read")
    ]
    aspect_ratio: Annotated[str | None, Field(examples=["16:9"])]
    animated: Annotated[
        bool | None, Field(description="true for an image that moves; its `duration` says how long", examples=[False])
    ]
    size_bytes: int | None
    content_type: Annotated[str | None, Field(examples=["video/mp4"])]
    sha256: Sha256 | None
    error: Annotated[str | None, Field(description="why it failed, for people; null unless status is failed")]


@with_config(CLOSED)
class Progress(TypedDict):
    """Progress of the running attempt."""

    step: Step
    percent: Annotated[int, Field(ge=0, le=100)] | None
    bytes_done: Count | None
    bytes_total: Count | None
    message: Annotated[str | None, Field(description="what the importer waits for; null while it works")]
    updated_at: Moment | None


@with_config(CLOSED)
class Generation(TypedDict):
    """Recipe of a generated asset: what its generator said of the making."""

    provider: Annotated[str, Field(examples=["replicate"])]
    id: Annotated[str, Field(description="id of the prediction", examples=["gm3qorzdhgbfurvjtvhg6dckhu"])]
    pointer: Annotated[str, Field(description="JSON Pointer into the prediction's output", examples=["/0"])]
    model: str | None
    version: str | None
    input: Annotated[
        dict[str, Any] | None,
        Field(
            description="input of the model, as the service records it; a long text or data: URI is"
            " {sha256, bytes}; null if nothing is recorded"
        ),
    ]
    metrics: Annotated[dict[str, Any] | None, Field(examples=[{"predict_time": 4.2}])]
    seed: Annotated[int | str | None, Field(description="a text beyond 2^53 - 1, which not every reader keeps exactly")]
    created_at: Moment | None
    started_at: Moment | None
    completed_at: Moment | None
    truncated: Annotated[bool, Field(description="true if something did not fit and was left out")]


@with_config(CLOSED)
class Asset(TypedDict):
    """One asset, from the request on."""

    id: AssetId
    name: Annotated[str, Field(examples=["film.mp4"])]
    status: AssetStatus
    url: Annotated[Url | None, Field(description="presigned, until expires_at; null unless stored")]
    thumbnail_url: Annotated[Url | None, Field(description="presigned JPEG; null where there is none")]
    type: AssetKind | None
    metadata: Metadata
    progress: Progress | None
    phase: Phase
    reason: Annotated[str | None, Field(description="reason of the Ready condition, one word", examples=["Imported"])]
    tags: list[str]
    job_id: Annotated[str | None, Field(description="the prediction that generated it")]
    import_job_id: Annotated[str, Field(description="the MediaImport's name")]
    created_at: Moment
    expires_at: Annotated[Moment | None, Field(description="when the URLs stop working; ask again for new ones")]
    broken: Annotated[str | None, Field(description="what of the resource cannot be shown, and why; null if all is")]
    generation: NotRequired[
        Annotated[Generation, Field(description="only where one asset is shown, and a generator made it")]
    ]


@with_config(CLOSED)
class AssetList(TypedDict):
    """One page, newest first unless `sort` says otherwise."""

    assets: list[Asset]
    next: Annotated[str | None, Field(description="the next page's cursor; null on the last")]


@with_config(CLOSED)
class AssetEvent(TypedDict):
    """One event of a stream of Server-Sent Events."""

    event: Annotated[Literal["asset", "gone"], Field(description="`gone` if the asset goes; it is the last event")]
    id: NotRequired[Annotated[str, Field(description="the asset's version, for Last-Event-ID")]]
    data: Annotated[
        str,
        Field(
            description="the asset as JSON; `{}` of `gone`", json_schema_extra={"contentMediaType": "application/json"}
        ),
    ]


@with_config(CLOSED)
class AnyAssetEvent(TypedDict):
    """One event of the stream of all assets."""

    event: Annotated[
        Literal["asset", "gone", "reset"],
        Field(
            description="`gone` if an asset is deleted; `reset` if the client is to list its assets, as it does first"
        ),
    ]
    id: NotRequired[Annotated[str, Field(description="for Last-Event-ID; absent where others of that moment follow")]]
    data: Annotated[
        str,
        Field(
            description="the asset as JSON; its `id` alone of `gone`, `{}` of `reset`",
            json_schema_extra={"contentMediaType": "application/json"},
        ),
    ]
