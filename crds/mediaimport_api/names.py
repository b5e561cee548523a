"""Names that more than one program derives: labels, object names, asset ids, S3 keys. All pure."""

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

MANAGED_BY = "app.kubernetes.io/managed-by"
LABEL_INSTANCE = f"{GROUP}/instance"
"""Which operator a Job is of: two releases beside each other keep their hands off each other's Jobs."""
LABEL_UID = f"{GROUP}/uid"
LABEL_RUN = f"{GROUP}/run"
"""A hash of the run's name, which is free text."""
LABEL_ATTEMPT = f"{GROUP}/attempt"
LABEL_USER = f"{GROUP}/user"
LABEL_SOURCE = f"{GROUP}/source"
"""The provider that generated it; set by the webhook."""
LABEL_PREDICTION = f"{GROUP}/prediction"
LABEL_ASSET = f"{GROUP}/asset"
"""The asset id; set by the webhook, which finds by it what another replica wrote."""
LABEL_RECOVERED = f"{GROUP}/recovered"
"""On imports that the recovery of missed predictions created."""
LABEL_QUEUE = "kueue.x-k8s.io/queue-name"
LABEL_QUEUE_PRIORITY = "kueue.x-k8s.io/priority-class"
"""Kueue's own: https://kueue.sigs.k8s.io/docs/tasks/run/jobs."""

ANNOTATION_FINGERPRINT = f"{GROUP}/source-fingerprint"
"""Of the source, where the resource stands in for one that is gone and its URL with it: it is there to be deleted."""
STORED_OBJECTS_FINALIZER = f"{GROUP}/stored-objects"
"""Holds a resource with deletionPolicy Delete until its stored objects are gone; on no other."""

_ASSET_NAMESPACE = UUID("6f0e6b58-2d0c-5a58-9d1c-5d0b8f6e2a41")
_ORIGINAL = re.compile(r"(video|image|audio)\.[a-z0-9]{2,5}")
_MAX_NAME = 63


def _digest(*parts: str, length: int) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:length]


def run_hash(run: str) -> str:
    """Return a label value for a run's name."""
    return _digest(run, length=10)


def job_name(*, name: str, uid: str, run: str, attempt: int) -> str:
    """Return the one name that the Job of this attempt can have, at most 63 characters."""
    tail = f"-{_digest(uid, run, length=10)}-{attempt}"
    head = re.sub(r"[^a-z0-9-]", "-", name)[: _MAX_NAME - len(tail)].strip("-")
    return head + tail


def prediction_asset_id(provider: str, prediction: str, pointer: str) -> UUID:
    """Return the asset id of one output of a prediction, the same however it arrives."""
    return uuid5(_ASSET_NAMESPACE, f"{provider}\0{prediction}\0{pointer}")


def prediction_resource_name(provider: str, prediction: str, pointer: str) -> str:
    """Return the MediaImport's name for one output of a prediction, the same however it arrives."""
    tail = f"-{_digest(provider, prediction, pointer, length=10)}"
    head = re.sub(r"[^a-z0-9-]", "-", f"{provider}-{prediction}".lower())[: _MAX_NAME - len(tail)].strip("-")
    return head + tail


@dataclass(frozen=True)
class AssetKeys:
    """The S3 keys of one asset, all under `prefix` (which ends in a slash)."""

    user_id: str
    asset_id: str

    @property
    def prefix(self) -> str:
        """Return `media/{user_id}/{asset_id}/`."""
        return f"media/{self.user_id}/{self.asset_id}/"

    @property
    def thumbnail(self) -> str:
        """Return the thumbnail's key."""
        return f"{self.prefix}thumbnail.jpg"

    @property
    def sidecar(self) -> str:
        """Return the sidecar's key."""
        return f"{self.prefix}asset.json"

    def original(self, *, kind: str, extension: str) -> str:
        """Return the original's key: named by what it is, `video` and `mp4`, never by the source's name."""
        return f"{self.prefix}{kind}.{extension}"

    def is_original(self, key: str) -> bool:
        """Tell whether that can be the key of this asset's original."""
        return key.startswith(self.prefix) and _ORIGINAL.fullmatch(key.removeprefix(self.prefix)) is not None
