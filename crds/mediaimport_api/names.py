"""Names that several programs derive: labels, object names, asset ids, S3 keys. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from uuid import UUID, uuid5

GROUP = "mediaimport.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "MediaImport"
PLURAL = "mediaimports"
SINGULAR = "mediaimport"
SHORT = "mi"

TASK_VARIABLE = "MEDIAIMPORT_TASK"
HEADERS_VARIABLE = "SOURCE_HEADERS_DIRECTORY"

MANAGED_BY = "app.kubernetes.io/managed-by"
LABEL_INSTANCE = f"{GROUP}/instance"
"""The operator's release of a Job: two releases in one cluster leave each other's Jobs alone."""
LABEL_UID = f"{GROUP}/uid"
LABEL_RUN = f"{GROUP}/run"
"""A hash of `spec.run`, which is free text."""
LABEL_ATTEMPT = f"{GROUP}/attempt"
LABEL_USER = f"{GROUP}/user"
LABEL_SOURCE = f"{GROUP}/source"
"""The provider that generated the media; set by the webhook."""
LABEL_PREDICTION = f"{GROUP}/prediction"
LABEL_ASSET = f"{GROUP}/asset"
"""The asset id; set by the webhook, which finds the resources of its other replicas by it."""
LABEL_RECOVERED = f"{GROUP}/recovered"
"""The mark of imports that the recovery of missed predictions created."""
LABEL_RECORD = f"{GROUP}/record"
"""The kind of a record that the webhook keeps as a Lease."""
LABEL_QUEUE = "kueue.x-k8s.io/queue-name"
LABEL_QUEUE_PRIORITY = "kueue.x-k8s.io/priority-class"
"""Kueue's labels: https://kueue.sigs.k8s.io/docs/tasks/run/jobs."""

ANNOTATION_FINGERPRINT = f"{GROUP}/source-fingerprint"
"""The source's fingerprint on a resource that is created only to delete the objects of one that no longer exists."""
ANNOTATION_OUTPUTS = f"{GROUP}/prediction-outputs"
"""The number of imports that the prediction of a resource has in all; set by the webhook."""
ANNOTATION_PREDICTION_STATUS = f"{GROUP}/prediction-status"
"""The generator's own word for the state of the prediction; set by the webhook."""
ANNOTATION_RECORD = f"{GROUP}/record"
"""The content of a record, as JSON; set by the webhook."""
ANNOTATION_DELIVERIES = f"{GROUP}/deliveries"
"""The endpoints that were told of a record, as JSON; set by the operator."""
ANNOTATION_OVERLAY = f"{GROUP}/overlay"
"""The overlay of the resource's asset as JSON, for whoever watches the resource; set by the webhook."""
ANNOTATION_RECORDED = f"{GROUP}/recorded"
"""The `completedAt` of the run whose row is in the catalogue's database; set by the webhook."""
STORED_OBJECTS_FINALIZER = f"{GROUP}/stored-objects"
"""The finalizer of resources with deletionPolicy Delete, until their stored objects are deleted."""

ASSETS_PREFIX = "media/"
"""The part of the bucket for assets."""
INCOMING_PREFIX = "incoming/"
"""The part of the bucket for objects that wait for their import."""
_ASSET_NAMESPACE = UUID("6f0e6b58-2d0c-5a58-9d1c-5d0b8f6e2a41")
_ORIGINAL = re.compile(r"(video|image|audio|model3d|document|archive|file)\.[a-z0-9]{2,11}")
_MAX_NAME = 63


def _digest(*parts: str, length: int) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:length]


def run_hash(run: str) -> str:
    """Return a label value for `spec.run`."""
    return _digest(run, length=10)


def job_name(*, name: str, uid: str, run: str, attempt: int) -> str:
    """Return the deterministic name of an attempt's Job, at most 63 characters."""
    tail = f"-{_digest(uid, run, length=10)}-{attempt}"
    head = re.sub(r"[^a-z0-9-]", "-", name)[: _MAX_NAME - len(tail)].strip("-")
    return head + tail


def prediction_asset_id(provider: str, prediction: str, pointer: str) -> UUID:
    """Return the deterministic asset id of one output of a prediction."""
    return uuid5(_ASSET_NAMESPACE, f"{provider}\0{prediction}\0{pointer}")


def prediction_resource_name(provider: str, prediction: str, pointer: str) -> str:
    """Return the deterministic name of the MediaImport for one output of a prediction."""
    tail = f"-{_digest(provider, prediction, pointer, length=10)}"
    head = re.sub(r"[^a-z0-9-]", "-", f"{provider}-{prediction}".lower())[: _MAX_NAME - len(tail)].strip("-")
    return head + tail


def incoming_key(user_id: str, object_id: UUID) -> str:
    """Return the S3 key of an object that waits for the import of this user, by an id that is ours."""
    return f"{INCOMING_PREFIX}{user_id}/{object_id}"


@dataclass(frozen=True)
class AssetKeys:
    """The S3 keys of one asset, all under `prefix` (which ends in a slash)."""

    user_id: str
    asset_id: str

    @property
    def prefix(self) -> str:
        """Return `media/{user_id}/{asset_id}/`."""
        return f"{ASSETS_PREFIX}{self.user_id}/{self.asset_id}/"

    @property
    def thumbnail(self) -> str:
        """Return the thumbnail's key."""
        return f"{self.prefix}thumbnail.jpg"

    @property
    def sidecar(self) -> str:
        """Return the sidecar's key."""
        return f"{self.prefix}asset.json"

    @property
    def overlay(self) -> str:
        """Return the key of the overlay, which exists once the asset is edited."""
        return f"{self.prefix}overlay.json"

    def original(self, *, kind: str, extension: str) -> str:
        """Return the original's key, from kind (`video`) and extension (`mp4`), never from the source's name."""
        return f"{self.prefix}{kind}.{extension}"

    def is_original(self, key: str) -> bool:
        """Tell whether a key can be that of this asset's original."""
        return key.startswith(self.prefix) and _ORIGINAL.fullmatch(key.removeprefix(self.prefix)) is not None
