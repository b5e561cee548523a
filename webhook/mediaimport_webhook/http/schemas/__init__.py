"""Schemas of request and response bodies. The OpenAPI document is made from them."""

from __future__ import annotations

from mediaimport_webhook.http.schemas.assets import (
    AnyAssetEvent,
    Asset,
    AssetEvent,
    AssetList,
    Generation,
    Metadata,
    Progress,
)
from mediaimport_webhook.http.schemas.fields import MAX_TAGS, AssetKind, AssetStatus, JobStatus
from mediaimport_webhook.http.schemas.generation import (
    CallbackResult,
    Job,
    Model,
    ModelList,
    OutputResult,
    StartedPrediction,
)
from mediaimport_webhook.http.schemas.imports import (
    AcceptedImport,
    BatchedImport,
    BatchedImports,
    BegunUpload,
    DeletedAsset,
    DeletedAssets,
)
from mediaimport_webhook.http.schemas.requests import (
    AssetChanges,
    ExpectedMedia,
    GenerationTags,
    ImportBatch,
    ImportRequest,
    ThumbnailRequest,
    UploadRequest,
)
from mediaimport_webhook.http.schemas.service import Alive, OperatedImport, Operations, PhaseGroup, Ready, ReasonGroup
from mediaimport_webhook.http.schemas.usage import FailedImport, MonthlyUsage, Stats, StatusCounts, Usage, UsageAmount

__all__ = [
    "MAX_TAGS",
    "AcceptedImport",
    "Alive",
    "AnyAssetEvent",
    "Asset",
    "AssetChanges",
    "AssetEvent",
    "AssetKind",
    "AssetList",
    "AssetStatus",
    "BatchedImport",
    "BatchedImports",
    "BegunUpload",
    "CallbackResult",
    "DeletedAsset",
    "DeletedAssets",
    "ExpectedMedia",
    "FailedImport",
    "Generation",
    "GenerationTags",
    "ImportBatch",
    "ImportRequest",
    "Job",
    "JobStatus",
    "Metadata",
    "Model",
    "ModelList",
    "MonthlyUsage",
    "OperatedImport",
    "Operations",
    "OutputResult",
    "PhaseGroup",
    "Progress",
    "Ready",
    "ReasonGroup",
    "StartedPrediction",
    "Stats",
    "StatusCounts",
    "ThumbnailRequest",
    "UploadRequest",
    "Usage",
    "UsageAmount",
]
