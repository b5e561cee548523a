"""Answers to imports, uploads and deletions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, with_config
from typing_extensions import TypedDict

from mediaimport_webhook.http.problem_types import ProblemDetails
from mediaimport_webhook.http.schemas.fields import CLOSED, AssetId, AssetStatus, Moment, Url


@with_config(CLOSED)
class AcceptedImport(TypedDict):
    """Accepted import; nothing has been downloaded yet."""

    asset_id: AssetId
    import_job_id: Annotated[str, Field(examples=["import-0b6d2c1e-54a7-4d0e-9a55-0c3f3f1f7a01"])]
    status: AssetStatus


@with_config(CLOSED)
class BatchedImport(TypedDict):
    """Answer to one import of many: what import-from-url had answered."""

    status: Annotated[int, Field(ge=200, le=599, description="202, or that of the problem", examples=[202])]
    accepted: Annotated[AcceptedImport | None, Field(description="null if there is no import")]
    problem: Annotated[ProblemDetails | None, Field(description="null if there is an import")]


@with_config(CLOSED)
class BatchedImports(TypedDict):
    """Answers to many imports, in the order of the request."""

    imports: list[BatchedImport]


@with_config(CLOSED)
class DeletedAsset(TypedDict):
    """Answer to the deletion of one asset of a prediction."""

    id: AssetId
    user: str
    status: Annotated[int, Field(ge=200, le=599, description="202, or that of the problem", examples=[202])]
    problem: Annotated[ProblemDetails | None, Field(description="null if the asset is deleted")]


@with_config(CLOSED)
class DeletedAssets(TypedDict):
    """Answers to the deletion of a prediction's assets; none if it has none, or none left."""

    assets: list[DeletedAsset]
    more: Annotated[bool, Field(description="true if there are more: send the request again")]


@with_config(CLOSED)
class BegunUpload(TypedDict):
    """Upload that waits for its file."""

    id: Annotated[AssetId, Field(description="of the upload, and of the asset that it becomes")]
    method: Literal["PUT"]
    url: Annotated[Url, Field(description="presigned, until expires_at; for size_bytes bytes and no others")]
    headers: Annotated[dict[str, str], Field(description="headers that the PUT has to have, with these values")]
    expires_at: Annotated[Moment, Field(description="when the URL stops working; begin another upload then")]
